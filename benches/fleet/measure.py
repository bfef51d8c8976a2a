#!/usr/bin/env python3
"""What Redis and PostgreSQL do for readers of the revocation log, measured on real servers of this computer.

    benches/fleet/measure.py [redis] [postgresql]    writes benches/fleet/engines.tsv: engine, what, size, round, value, unit

Nearly all figures are the time for which the server's own processes had a processor, for each operation: it does not depend on
how fast the client is, and little on what else the computer does. Needs redis-server, redis-benchmark (Debian: redis-tools),
PostgreSQL 15 and pgbench.
"""

import os
import re
import selectors
import statistics
import subprocess
import sys
import time
from pathlib import Path

from engines import Postgres, Redis, free_port
from statements import CHANNEL, LIFE, LOG, append, read, record, script, statement, tables

sys.dont_write_bytecode = True
RESULTS = Path(__file__).resolve().parent / "engines.tsv"
ROUNDS = 3
rows = []


def note(engine, what, size, values, unit):
    for number, value in enumerate(values):
        rows.append(f"{engine}\t{what}\t{size}\t{number}\t{value:.6g}\t{unit}")
    print(f"{engine:11} {what:24} {size:>8}  median {statistics.median(values):12.4g} {unit:6} of {len(values)}", flush=True)
    RESULTS.write_text("engine\twhat\tsize\tround\tvalue\tunit\n" + "\n".join(rows) + "\n")


# Redis


def redis(server):
    client = server.client()
    look = client.call("SCRIPT", "LOAD", script("read")).decode()
    add = client.call("SCRIPT", "LOAD", script("append")).decode()

    def reading(position):
        """The script that a reader at this position sends."""
        return ["EVALSHA", look, "2", *LOG, "new", "1000", *position]

    place = fill(client, 1000)
    for connections in (50, 1000, 5000):
        bench(server, "read_nothing", connections, reading(place[-1]), 20_000, connections)
    for entries in (1, 10, 100, 1000):
        bench(server, "read_page", entries, reading(place[-1 - entries]), 50_000 // (entries + 3), 50)
        # The same page without the script, to compare.
        plain = ["XREAD", "COUNT", 1000, "STREAMS", LOG[0], place[-1 - entries][1]]
        bench(server, "plain_page", entries, plain, 50_000 // (entries + 3), 50)
        client.send(*reading(place[-1 - entries]))
        note("redis", "page_bytes", entries, [answer_length(client)], "B")
    bench(server, "connect", 1, reading(place[-1]), 10_000, 50, "-k", "0")
    for readers in (100, 1000, 5000):
        wake(server, readers)
    before = int(info(client, "used_memory"))
    fill(client, 50_000)
    note("redis", "memory_entry", 50_000, [(int(info(client, "used_memory")) - before) / 5e4], "B")
    bench(server, "append", 1, ["EVALSHA", add, "2", *LOG, "new", LIFE, record(1)], 20_000, 50)
    for what, key in (("connect_tls", ["rsa:2048"]), ("connect_tls_p256", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
        certificate = ["--tls-cert-file", f"{server.folder}/it.crt", "--tls-key-file", f"{server.folder}/it.key"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout",
                        f"{server.folder}/it.key", "-out", f"{server.folder}/it.crt"], check=True, capture_output=True)
        port = free_port()
        safe = Redis("--tls-port", str(port), *certificate, "--tls-auth-clients", "no")
        safe.port = port
        try:
            bench(safe, what, 1, ["PING"], 2000, 20, "-k", "0", "--tls", "--insecure")
        finally:
            safe.stop()
    for policy in ("everysec", "always"):
        durable = Redis("--appendonly", "yes", "--appendfsync", policy)
        try:
            hash = durable.client().call("SCRIPT", "LOAD", script("append")).decode()
            bench(durable, f"append_{policy}", 1, ["EVALSHA", hash, "2", *LOG, "new", LIFE, record(1)], 20_000, 50)
        finally:
            durable.stop()


def fill(client, entries):
    """Appends so many, and answers the positions behind each."""
    add = client.call("SCRIPT", "LOAD", script("append"))
    for start in range(0, entries, 100):
        for number in range(start, start + 100):
            client.send("EVALSHA", add, 2, *LOG, "new", LIFE, record(number))
        for _ in range(100):
            client.answer()
    epoch = client.call("HGET", LOG[1], "epoch").decode()
    found = client.call("XREVRANGE", LOG[0], "+", "-", "COUNT", min(entries, 1001))[::-1]
    return [(epoch, "0-0", "0")] + [(epoch, entry.decode(), fields[1].decode()) for entry, fields in found]


def info(client, name):
    return re.search(rb"\b" + name.encode() + rb":(\S+)", client.call("INFO"))[1]


def answer_length(client):
    """In bytes, of the one answer under way."""
    client.socket.settimeout(0.3)
    total = 0
    try:
        while data := client.socket.recv(1 << 20):
            total += len(data)
    except TimeoutError:
        client.socket.settimeout(None)
    return total


def bench(server, what, size, command, amount, connections, *more):
    costs, rates = [], []
    for _ in range(ROUNDS):
        begin = server.processor()
        run = subprocess.run(
            ["redis-benchmark", "-p", str(server.port), "-n", str(amount), "-c", str(connections), "--csv", *more, *map(str, command)],
            capture_output=True, text=True, check=True)
        costs.append((server.processor() - begin) / amount * 1e6)
        rates.append(float(run.stdout.splitlines()[-1].rsplit('","', 7)[1]))
    note("redis", what, size, costs, "us")
    note("redis", f"{what}_rate", size, rates, "1/s")


def wake(server, readers):
    """Readers that wait by XREAD BLOCK on a connection each: memory, what waiting costs, what one record costs for each."""
    writer = server.client()
    idle = int(info(writer, "used_memory"))
    clients = [server.client() for _ in range(readers)]
    begin = int(info(writer, "used_memory"))
    note("redis", "memory_connection", readers, [(begin - idle) / readers], "B")
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)

    def read(client, wait):
        client.send("XREAD", "COUNT", 1, "BLOCK", wait, "STREAMS", LOG[0], client.position)

    def collect(wait):
        """Takes an answer of each, and asks again; when the first and the last came."""
        left, times = readers, []
        while left > 0:  # some answer twice
            for key, _ in selector.select():
                data = key.data.socket.recv(65536)
                times.append(time.perf_counter())
                found = re.findall(rb"\d{13}-\d+", data)
                if found:
                    key.data.position = found[-1]
                read(key.data, wait)
                left -= 1
        return times

    last = writer.call("XREVRANGE", LOG[0], "+", "-", "COUNT", "1")[0][0]
    for client in clients:
        client.position = last
        read(client, 0)
    time.sleep(0.5)
    note("redis", "memory_blocked", readers, [(int(info(writer, "used_memory")) - idle) / readers], "B")
    costs, lasts = [], []
    for _ in range(ROUNDS):
        begin, turns = server.processor(), max(2, 5_000 // readers)
        for _ in range(turns):
            start = time.perf_counter()
            writer.call("EVAL", script("append"), 2, *LOG, "new", LIFE, record(1))
            times = collect(0)
            lasts.append((times[-1] - start) * 1e3)
            time.sleep(0.02)
        costs.append((server.processor() - begin) / (readers * turns) * 1e6)
    note("redis", "wake", readers, costs, "us")
    note("redis", "wake_last", readers, lasts[:20], "ms")
    # Now each waits for a second at a time, and is told that there is nothing.
    writer.call("EVAL", script("append"), 2, *LOG, "new", LIFE, record(1))
    collect(1000)
    costs = []
    for _ in range(ROUNDS):
        begin = server.processor()
        for _ in range(2):
            collect(1000)
        costs.append((server.processor() - begin) / (readers * 2) * 1e6)
    note("redis", "wait_in_vain", readers, costs, "us")
    for client in clients:
        client.socket.close()
    time.sleep(0.5)


# PostgreSQL


def postgresql(server):
    client = server.client()
    tables(client)
    before = int(client.call("SELECT pg_total_relation_size('tower_jwt_auth_revocations')")[0][0])
    for start in range(0, 100_000, 1000):
        client.call(append(*map(record, range(start, start + 1000))))
    client.call("VACUUM ANALYZE")
    after = int(client.call("SELECT pg_total_relation_size('tower_jwt_auth_revocations')")[0][0])
    note("postgresql", "memory_entry", 100_000, [(after - before) / 100_000], "B")
    for connections in (8, 50):
        pgbench(server, "read_nothing", connections, read(100_000), 6000, connections)
    for entries in (1, 10, 100, 1000):
        pgbench(server, "read_page", entries, read(100_000 - entries), 400_000 // (entries + 100), 8)
        client.send(read(100_000 - entries))
        note("postgresql", "page_bytes", entries, [postgres_length(client)], "B")
    for connections in (1, 8):
        pgbench(server, "append", connections, append(record(1)), 400, connections)
    client.call("VACUUM FULL ANALYZE")
    for name, database in (("connect", "bench"), ("connect_scram", "scram")):
        if database == "scram":
            client.call("CREATE DATABASE scram")
        pgbench(server, name, 1, "SELECT 1;", 200, 4, "-C", database=database)
    for listeners in (50, 100, 200, 400):
        notify(server, client, listeners)


def postgres_length(client):
    client.socket.settimeout(0.5)
    total = 0
    try:
        while data := client.socket.recv(1 << 20):
            total += len(data)
    except TimeoutError:
        client.socket.settimeout(None)
    client.buffer = b""
    return total


def pgbench(server, what, size, script, amount, connections, *more, database="bench"):
    path = Path(server.folder) / "script.sql"
    path.write_text(script.replace('":', '": '))  # a colon before a name or number would be a variable
    costs, rates = [], []
    for _ in range(ROUNDS):
        begin = server.processor()
        run = subprocess.run(
            [f"{server.BIN}/pgbench", "-h", "127.0.0.1", "-p", str(server.port), "-U", "bench", "-n", "-f", path, "-t", str(amount // connections),
             "-c", str(connections), "-M", "prepared" if "-C" not in more else "simple", *more, database],
            capture_output=True, text=True, check=True, env={**os.environ, "PGPASSWORD": "secret"})
        time.sleep(0.2)
        amount = int(re.search(r"actually processed: (\d+)", run.stdout)[1])
        costs.append((server.processor() - begin) / amount * 1e6)
        rates.append(float(re.search(r"tps = ([\d.]+)", run.stdout)[1]))
    note("postgresql", what, size, costs, "us")
    note("postgresql", f"{what}_rate", size, rates, "1/s")


def notify(server, writer, listeners):
    """Readers that LISTEN on a connection each, and read on another when they are told: memory, and what one record costs each."""
    idle = memory(server)
    clients = [server.client() for _ in range(listeners)]
    selector = selectors.DefaultSelector()
    last = int(writer.call("SELECT last_seq FROM tower_jwt_auth_log")[0][0])
    for client in clients:
        client.call(f"LISTEN {CHANNEL}")
        client.reader = server.client()
        client.reader.call("PREPARE look(bigint, bigint) AS " + statement("READ"))
        for _ in range(6):  # then the plan is kept
            client.reader.call(f"EXECUTE look({last}, 1001)")
        selector.register(client.socket, selectors.EVENT_READ, client)
    time.sleep(0.5)
    note("postgresql", "memory_connection", listeners, [(memory(server) - idle) / listeners / 2], "B")

    def tell(reads):
        nonlocal last
        start = time.perf_counter()
        writer.call(append(record(1)))
        wrote = time.perf_counter()
        left = listeners
        while left:
            for key, _ in selector.select():
                if key.data.message()[0] != b"A":
                    continue
                if reads:
                    key.data.reader.call(f"EXECUTE look({last}, 1001)")
                left -= 1
        last += 1
        return (wrote - start) * 1e3, (time.perf_counter() - start) * 1e3

    for reads, what in ((False, "notify"), (True, "notify_and_read")):
        costs, wrote, lasts = [], [], []
        for _ in range(ROUNDS):
            begin, turns = server.processor(), max(5, 1000 // listeners)
            for _ in range(turns):
                one = tell(reads)
                wrote.append(one[0])
                lasts.append(one[1])
                time.sleep(0.02)
            costs.append((server.processor() - begin) / (listeners * turns) * 1e6)
        note("postgresql", what, listeners, costs, "us")
        note("postgresql", f"{what}_commit", listeners, wrote[:20], "ms")
        note("postgresql", f"{what}_last", listeners, lasts[:20], "ms")
    for client in clients:
        client.socket.close()
        client.reader.socket.close()
    time.sleep(1)


def memory(server):
    """Of all processes of the server; what they share is counted once."""
    total = 0
    for pid in [server.pid, *server.backends()]:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(size) for size in re.findall(r"^Pss:\s+(\d+)", file.read(), re.M)) * 1024
    return total


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["redis", "postgresql"]
    if RESULTS.exists():  # what is not measured again stays
        rows += [row for row in RESULTS.read_text().splitlines()[1:] if row.split("\t")[0] not in chosen]
    for engine, (server, measure) in {"redis": (Redis, redis), "postgresql": (Postgres, postgresql)}.items():
        if engine in chosen:
            server = server()
            try:
                measure(server)
            finally:
                server.stop()
