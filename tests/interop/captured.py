"""What a real Prometheus saw of the example `observability`, written down for the documentation: `capture.md`, and
`capture.json`, from which `panels.mjs` draws. Called by `capture`.

Usage: captured.py PROGRAM DIRECTORY_OF_PROMETHEUS DIRECTORY_FOR_OUTPUT
"""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import watched

PHASES = {"load": 60, "rotation": 40, "outage": 60, "hanging": 20, "after": 60}
SAID = {
    "load": "load",
    "rotation": "load; the provider signs with a new key that it did not announce",
    "outage": "load; the provider answers 503",
    "hanging": "load; the provider does not answer",
    "after": "load; the provider is well again",
}


def exported(text):
    """What was scraped, without the buckets and the explanations."""
    lines = [line for line in text.splitlines() if line.startswith("jwt_auth_") and "_bucket{" not in line]
    return "\n".join(sorted(lines))


def at_end_of(seen, name, values):
    """The last value before the end of a phase."""
    names = [mark for mark, _ in seen["marks"]]
    ends = [at for _, at in seen["marks"][1:]] + [seen["ended"]]
    end = ends[names.index(name)]
    before = [float(value) for at, value in values if end - 5 < at <= end and math.isfinite(float(value))]
    return f"{before[-1]:.4g}" if before else "–"


def named(legend, metric):
    for label, value in metric.items():
        legend = legend.replace("{{%s}}" % label, value)
    return legend.strip() or "–"


def table(head, rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def alerts(seen):
    """For each alert, when it began to wait and when it fired, in seconds from the start; and when it was over."""
    start = seen["started"]
    spans = {}
    for series in seen["alerts"]:
        times = [at for at, _ in series["values"]]
        spans.setdefault(series["metric"]["alertname"], {})[series["metric"]["alertstate"]] = min(times), max(times)
    for rule in seen["rules"]:
        states = spans.get(rule["name"], {})
        cells = []
        for state in ["pending", "firing"]:
            first, last = states.get(state, (None, None))
            over = "" if last is None or last < seen["ended"] - 2 else ", and on"
            cells.append("–" if first is None else f"{first - start:.0f} to {last - start:.0f} s{over}")
        yield [f"`{rule['name']}`", *cells]


def report(seen, version):
    start = seen["started"]
    phases = []
    for name, at in seen["marks"]:
        ready, alive = seen["ready"][name]
        phases.append([f"{at - start:.0f} s", SAID[name], f"{ready}", f"{alive}"])
    values = []
    for title, legend, _, answer in seen["panels"]:
        for series in answer["result"]:
            row = [at_end_of(seen, name, series["values"]) for name in ["load", "outage", "hanging", "after"]]
            values.append([title, named(legend, series["metric"]), *row])
    return f"""# A capture: under load, and in an outage

[The observability example](../../examples/observability), scraped each second by {version}. Six callers send tokens
of all kinds, most of them good; a seventh logs in and refreshes. The provider is that of the example. So that an outage comes to
its end within minutes, keys are fresh for 5 seconds at most and serve for 10 more (`KEYS_MAX_AGE`, `KEYS_STALE`); in production these
are minutes and hours. The build is not optimised, and callers, service and Prometheus share a machine, so the durations show
the shape and not the speed. `tests/interop/capture` makes this page anew.

{table(["from", "what goes on", "`/readyz` at the end", "`/healthz`"], phases)}

Three things are worth a look:

- When the provider is well again, keys come with the next fetch. After many failures that is up to a minute and a half away.
- `ValidUsersAreRefused` fires before the keys are gone: while the provider fails, a token with an unknown key id may be a good one,
  so it is answered with 503.
- The 99th percentile under load is that of tokens with an unknown key id. They wait if the next fetch is less than two seconds
  away (`RemoteKeys::wait`), and with keys this fresh it often is.

![The dashboard's panels over these minutes; the provider is down where it is tinted](dashboard.png)

The picture is drawn by a script from the dashboard file and from what Prometheus answered. It is not a picture of Grafana.

## Alerts

From the start. `KeysCannotBeFetched` waits for five minutes, and `KeysAreOld` asks for two hours, so neither fires.

{table(["alert", "waits", "fires"], list(alerts(seen)))}

## What the expressions of the dashboard answered

At the end of each phase. A dash is no value, or one that is no number: a rate of nothing.

{table(["panel", "line", "load", "outage", "provider hangs", "after"], values)}

## `/metrics` at the end of the load

Without the buckets.

```text
{exported(seen["metrics"]["load"])}
```

## `/metrics` at the end of the outage, without keys

```text
{exported(seen["metrics"]["hanging"])}
```
"""


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program, programs, output = (Path(argument) for argument in sys.argv[1:])
    version = subprocess.run([programs / "prometheus", "--version"], capture_output=True, text=True, check=True)
    version = (version.stdout or version.stderr).split("(")[0].replace(", version", "").strip().capitalize()
    seen = watched.scenario(program, programs, PHASES)
    seen["traces"] = len(seen["traces"])
    (output / "capture.json").write_text(json.dumps(seen))
    (output / "capture.md").write_text(report(seen, version))


if __name__ == "__main__":
    main()
