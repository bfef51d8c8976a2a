"""The JSON schema of the configuration, by a validator of another maker; and that resource_server agrees with it."""

import json
import os
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import jsonschema

from programs import server

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
[[authorities]]
issuer = "https://id.example.com"
audience = "api"
secret = "WnQ4cTF4SjBtM2I3Q2s1UnYyWWU5THc2SHA0TmQ4U3U="
"""
# A line that makes the good file wrong, and whether a schema can see it.
WRONG = [
    ("leewya = 3", True),
    ("leeway = 301", True),
    ("leeway = 'soon'", True),
    ("max_age = 0", True),
    ("algorithms = ['HS256', 'none']", True),
    ("profile = 'oauth'", True),
    ("audiences = 'api'", True),
    ("numeric_ids_as_text = 1", True),
    ("fetch.cooldown = 4", True),
    ("fetch.max_age = [300, 3600, 7]", True),
    ("[limits]\nclaims = 0", True),
    ("[cache]\nbytes = 1", True),
    ("[layer]\nclaim_headers = 'x-user'", True),
    ("[require]\nscopes = ['a b']", True),
    ("[require]\nroles = ['']", True),
    ("[[routes]]\npath = '/a'\nmethods = ['get']", True),
    ("[[routes]]\npath = '/a'\nscope = 'b'", True),
    ("[server]\nport = 80", True),
    ("previous_secret = 'aHVudGVyMg=='", False),
    ("jwks_url = 'https://id.example.com/keys'", False),
    ("[[routes]]\npath = '/a/'", False),
]


def configurations(check, resource_server):
    schema = json.loads((ROOT / "docs/reference/configuration.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    check("configuration: the schema is one of JSON Schema 2020-12", schema["$schema"].split("/")[-2], "2020-12")
    validator = jsonschema.Draft202012Validator(schema)
    examples = 0
    for page in ["reference/configuration.md", "how-to/configure.md"]:
        for example in re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S):
            errors = [error.message for error in validator.iter_errors(tomllib.loads(example))]
            check(f"configuration: the schema takes an example of {page}", errors, [])
            examples += 1
    check("configuration: there are examples", examples >= 5, True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JWT_")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "jwt.toml")
        path.write_text(GOOD)
        check("configuration: the schema takes a good file", validator.is_valid(tomllib.loads(GOOD)), True)
        with server(resource_server, JWT_CONFIG=str(path)) as (address, _):
            check("configuration: and resource_server starts with it", bool(address), True)
        for line, is_seen in WRONG:
            path.write_text(f"{GOOD}{line}\n")
            seen = not validator.is_valid(tomllib.loads(path.read_text()))
            what = line.replace("\n", " ")
            check(f"configuration: the schema {'refuses' if is_seen else 'cannot see'} {what}", seen, is_seen)
            environment = clean | {"PORT": "0", "JWT_CONFIG": str(path)}
            ended = subprocess.run([resource_server], env=environment, capture_output=True, text=True, timeout=60)
            refused = ended.returncode != 0 and str(path) in ended.stderr
            check(f"configuration: resource_server refuses {what}", refused, True)
