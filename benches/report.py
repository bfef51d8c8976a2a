#!/usr/bin/env python3
"""Makes the tables and plots of docs/performance.md of what `rivals` printed.

    benches/report.py RESULTS.tsv    writes docs/performance/*.svg, and prints the tables in Markdown
"""

import sys
from collections import defaultdict
from html import escape
from pathlib import Path

PLOTS = Path(__file__).resolve().parent.parent / "docs" / "performance"


def read(path):
    parts = defaultdict(lambda: defaultdict(dict))
    for line in Path(path).read_text().splitlines():
        part, case, contender, ratio, nanoseconds = line.split("\t")
        parts[part][case][contender] = (float(ratio), float(nanoseconds))
    return parts


def cell(entry):
    if entry is None:
        return "-"
    ratio, nanoseconds = entry
    return f"{ratio:.3g}" if ratio == ratio else f"{nanoseconds:,.0f} ns"


def table(title, cases):
    contenders = []
    for entries in cases.values():
        contenders += [name for name in entries if name not in contenders]
    print(f"\n### {title}\n")
    print("| | " + " | ".join(cases) + " |")
    print("|---|" + "---:|" * len(cases))
    for name in contenders:
        mark = "**" if name.startswith("ours") else ""
        cells = [f"{mark}{cell(entries.get(name))}{mark}" for entries in cases.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")


def plot(name, title, rows):
    """Bars of (label, value), on a logarithmic scale if they differ much."""
    import math
    rows = [(label, value) for label, value in rows if value == value and value > 0]
    low, high = min(value for _, value in rows), max(value for _, value in rows)
    logarithmic = high / low > 30
    scale = (lambda value: math.log(value / low * 2) / math.log(high / low * 2)) if logarithmic else (lambda value: value / high)
    height = 40 + 22 * len(rows)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="8" y="20" font-size="14">{escape(title)}{" (logarithmic)" if logarithmic else ""}</text>']
    for index, (label, value) in enumerate(rows):
        y, width = 34 + 22 * index, 400 * scale(value)
        colour = "#1f6feb" if label.startswith("ours") else "#9aa4b2"
        lines.append(f'<text x="250" y="{y + 13}" text-anchor="end">{escape(label)}</text>')
        lines.append(f'<rect x="258" y="{y}" width="{width:.1f}" height="17" fill="{colour}"/>')
        lines.append(f'<text x="{264 + width:.1f}" y="{y + 13}">{value:.3g}</text>')
    lines.append("</svg>")
    PLOTS.mkdir(parents=True, exist_ok=True)
    (PLOTS / f"{name}.svg").write_text("\n".join(lines) + "\n")


def main():
    parts = read(sys.argv[1])
    titles = {
        "accepted": "Accepted: (layer - bare) / raw signature check",
        "refused": "Refused, RS256: against the bare service",
        "keys": "Keys in the set, against one",
        "authorities": "Authorities, against one",
        "cached": "Cached: (layer - bare) / raw signature check",
        "http": "Over HTTP on loopback: requests per second, as a share of those without a layer",
        "grpc": "gRPC on loopback: calls per second, as a share of those without a layer",
        "goodput": "Valid requests under ten times as many bad signatures, over calm",
        "threads": "Requests per second of two threads, over one",
    }
    for part, title in titles.items():
        if part in parts:
            table(title, parts[part])
    for algorithm in ("HS256", "RS256"):
        rows = [(name, ratio) for name, (ratio, _) in parts["accepted"].get(algorithm, {}).items()]
        if rows:
            plot(f"accepted-{algorithm}", f"Accepted, {algorithm}: what the layer adds, in raw signature checks", rows)
    for case in ("no token", "8 KiB without dots", "expired"):
        rows = [(name, ratio) for name, (ratio, _) in parts["refused"].get(case, {}).items() if name not in ("bare", "ours, accepted")]
        if rows:
            plot("refused-" + case.replace(" ", "-"), f"Refused, {case}: against the bare service", rows)


main()
