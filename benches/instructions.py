#!/usr/bin/env python3
"""Counts the instructions of one request by callgrind, and compares them with the baseline in instructions.tsv.

    benches/instructions.py            every case; fails where one needs more than 2 % above its baseline
    benches/instructions.py --renew    writes the baseline anew
    benches/instructions.py --steps "accepted, HS256"    where the instructions of one case go, by function

A count repeats nearly to the instruction on the same compiler, libraries and valgrind, whatever else the machine does. The
cryptography and copying of memory are left out: which code does them depends on the processor, and valgrind hides some
of its instructions. So is the inside of the allocator: what it does depends on the state of the heap, and the random keys of
a run change that. `tests/allocations.rs` holds how often it is called. The baseline names the tools that it was made with. With others there is nothing to compare, which
the script says.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "benches" / "instructions.tsv"
ALLOWED = 1.02
CALLS = 20


def build():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    subprocess.run(
        ["cargo", "build", "--quiet", "--profile", "instructions", "--package", "benches", "--bin", "instructions"],
        cwd=ROOT, check=True)
    return target / "instructions" / "instructions"


def tools():
    def first_line(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]

    return ", ".join([first_line("rustc", "--version"), first_line("valgrind", "--version"), first_line("ldd", "--version")])


def own(line):
    """The instructions of a function as callgrind_annotate prints it, unless they depend on the processor."""
    found = re.match(r"\s*([\d,]+)\s+\(\s*[\d.]+%\)\s+(.*)", line)
    if not found or "PROGRAM TOTALS" in line:
        return 0
    varies = ("/aws-lc/", "aws_lc_", "__mem", "/memchr.rs", "/memmem/", "base64_simd", "/malloc/")
    return 0 if any(name in found[2] for name in varies) else int(found[1].replace(",", ""))


def callgrind(binary, case, out):
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=*instructions::counted*",
         f"--callgrind-out-file={out}", str(binary), case, str(CALLS)],
        capture_output=True, text=True)
    collected = re.search(r"Collected\s*:\s*(\d+)", run.stderr)
    if run.returncode or not collected or collected[1] == "0":
        sys.exit(f"{case}: callgrind counted nothing\n{run.stdout}{run.stderr}")
    listed = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--auto=no", str(out)], capture_output=True, text=True, check=True)
    return sum(own(line) for line in listed.stdout.splitlines()) // CALLS


def main():
    header = f"# {tools()}"
    if not sys.argv[1:] and BASELINE.read_text().splitlines()[0] != header:
        print(f"LEFT OUT: instruction counts. The baseline was made with other tools\n  {BASELINE.read_text().splitlines()[0]}\n  {header}")
        return
    binary = build()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        if sys.argv[1:2] == ["--steps"]:
            callgrind(binary, sys.argv[2], out)
            subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=99", "--auto=no", str(out)], check=True)
            return
        cases = subprocess.run([str(binary)], capture_output=True, text=True, check=True).stdout.splitlines()
        counts = {case: callgrind(binary, case, out) for case in cases}
    if sys.argv[1:] == ["--renew"]:
        BASELINE.write_text(header + "\n" + "".join(f"{case}\t{count}\n" for case, count in counts.items()))
        return
    rows = [line.split("\t") for line in BASELINE.read_text().splitlines()[1:]]
    baseline = {case: int(count) for case, count in rows}
    more = []
    print(f"{'instructions of one request':50} {'baseline':>10} {'now':>10} {'ratio':>7}")
    for case, count in counts.items():
        before = baseline.get(case)
        if before is None:
            more.append(f"{case}: not in the baseline")
            continue
        ratio = count / before
        print(f"{case:50} {before:10} {count:10} {ratio:7.3f}")
        if ratio > ALLOWED:
            more.append(f"{case}: {ratio:.3f} times its baseline, at most {ALLOWED} is allowed")
    if more or not counts:
        sys.exit("\n".join(more) + "\nIf it is worth it: benches/instructions.py --renew, and say why in the commit.")


main()
