"""What the stores send to their engines, taken from their code."""

import re
from pathlib import Path

STORES = Path(__file__).resolve().parent.parent.parent / "stores"
# What a store keeps of one revocation, with room for a number.
RECORD = (
    '{"kind":"token","issuer":"https://login.example.com","name":"%08x-6f5e-7f3e-8a55-0b6c7d8e9fa0",'
    '"issued_before":null,"expires_at":%d}'
)
# In milliseconds: all live longer than a measurement.
LIFE, END = 86_400_000, 4_000_000_000_000


def record(number):
    return RECORD % (number, END)


# Redis: two keys and scripts.

LOG = ("{jwt:revocations:1}:log", "{jwt:revocations:1}:state")


def script(name):
    folder = STORES / "redis" / "src" / "lua"
    return "".join((folder / f"{part}.lua").read_text() for part in ("clock", "log", name))


# PostgreSQL: the tables, and two statements.

TABLES = STORES / "sql" / "migrations" / "postgres" / "1.sql"
CHANNEL = "tower_jwt_auth_revocations"


def statement(name):
    code = (STORES / "sql" / "src" / "postgres" / "revocations.rs").read_text()
    return " ".join(re.search(rf'const {name}: &str = "(.*?)";', code, re.S)[1].split())


def read(after):
    return statement("READ").replace("$1", str(after)).replace("$2", "1001")


def append(*records):
    texts = ",".join("'" + text + "'" for text in records)
    ends = ",".join(str(END) for _ in records)
    values = {"$1": f"ARRAY[{texts}]", "$2": f"ARRAY[{ends}]", "$3": f"'{CHANNEL}'"}
    return re.sub(r"\$\d", lambda match: values[match[0]], statement("APPEND"))


def tables(client):
    client.call(TABLES.read_text())
