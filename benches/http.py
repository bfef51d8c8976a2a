#!/usr/bin/env python3
"""Requests per second over HTTP on loopback: servers on one core, wrk on another, in rounds that take turns.

    benches/http.py [ALGORITHM..]     as tab-separated lines for benches/report.py; needs wrk, taskset and two cores

A server that answers anything but 200 ends the run.
"""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ["none", "ours", "ours, cached", "axum with jsonwebtoken", "axum-jwt-auth"]
ROUNDS, SECONDS = 7, 2


def main():
    rivals = HERE / "rivals"
    subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=rivals, check=True)
    binary = Path(os.environ.get("CARGO_TARGET_DIR", rivals / "target")) / "release" / "rivals"
    for algorithm in sys.argv[1:] or ["HS256", "RS256", "ES256", "EdDSA"]:
        servers = {}
        for name in NAMES:
            server = subprocess.Popen(["taskset", "-c", "0", str(binary), "serve", name, algorithm], stdout=subprocess.PIPE, text=True)
            address, token = server.stdout.readline().split()[:2]
            servers[name] = (server, address, token)
        try:
            rates = {name: [] for name in NAMES}
            for turn in range(ROUNDS):
                for name in NAMES[turn % len(NAMES):] + NAMES[:turn % len(NAMES)]:
                    _, address, token = servers[name]
                    rates[name].append(wrk(f"http://{address}/", token))
            for name in NAMES:
                shares = [one / none for one, none in zip(rates[name], rates["none"])]
                print(f"http\t{algorithm}\t{name}\t{statistics.median(shares):.3f}\t{statistics.median(rates[name]):.0f}", flush=True)
        finally:
            for server, _, _ in servers.values():
                server.kill()


def wrk(url, token):
    run = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", "-c32", f"-d{SECONDS}s", "-H", f"Authorization: Bearer {token}", url],
        capture_output=True, text=True, check=True)
    if "Non-2xx" in run.stdout:
        sys.exit(run.stdout)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", run.stdout)[1])


main()
