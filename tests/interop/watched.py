"""A real Prometheus that scrapes the example `observability`: under load, in an outage of its provider, and after it.

`check.py` has it short. `captured.py` takes longer, and leaves what was seen for the documentation.
"""

import contextlib
import http.client
import json
import math
import random
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from programs import server

FILES = Path(__file__).resolve().parents[2] / "examples" / "observability"
ALERTS, TESTS = FILES / "alerts.yml", FILES / "alerts_test.yml"
# Prometheus scrapes each second, so this window has enough samples.
VARIABLES = {"[$__rate_interval]": "[8s]", "$job": ".+"}
# What fires in a few minutes: the others wait longer, or are over in time. `alerts_test.yml` has them all.
FIRING = {"ValidUsersAreRefused", "SomebodyIsGuessing", "RefreshTokenWasStolen"}
KINDS = ["good"] * 24 + ["without_scope", "expired", "expired", "forged", "unknown_key", "other_audience", "none"]
# The phases, and what the provider is told at the beginning of each.
SWITCHES = {"load": None, "rotation": "rotate", "outage": "down", "hanging": "hang", "after": "up"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read().decode()


def status_of(url):
    try:
        return urllib.request.urlopen(url, timeout=30).status
    except urllib.error.HTTPError as error:
        return error.code


class Load:
    """Callers with tokens of all kinds, until the block ends."""

    def __init__(self, address, admin, callers=6, rate=20):
        self.address, self.admin, self.rate = address, admin, rate
        self.tokens, self.on, self.broken = {}, True, []
        self.threads = [threading.Thread(target=self.guarded, args=[self.call]) for _ in range(callers)]
        self.threads.append(threading.Thread(target=self.guarded, args=[self.sessions]))

    def __enter__(self):
        self.take_tokens()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.on = False
        for thread in self.threads:
            thread.join()

    def guarded(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001: told by the check
            self.broken.append(repr(error))

    def take_tokens(self):
        self.tokens = json.loads(ask(f"{self.admin}/demo/tokens"))

    def call(self):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        while self.on:
            token = self.tokens.get(random.choice(KINDS))
            headers = {"authorization": f"Bearer {token}"} if token else {}
            connection.request("GET", "/api/orders", headers=headers)
            connection.getresponse().read()
            time.sleep(random.uniform(0, 2 / self.rate))
        connection.close()

    def guess(self, times):
        """Tokens with a bad signature, one after the other."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        for _ in range(times):
            connection.request("GET", "/api/orders", headers={"authorization": f"Bearer {self.tokens['forged']}"})
            connection.getresponse().read()
        connection.close()

    def sessions(self):
        """A login and two refreshes each second; now and then the first token comes back."""
        turn = 0
        while self.on:
            first = json.loads(ask(f"{self.admin}/demo/login", {}))
            second = json.loads(ask(f"{self.admin}/demo/refresh", first))
            ask(f"{self.admin}/demo/refresh", second)
            if turn % 4 == 0:
                with contextlib.suppress(urllib.error.HTTPError):
                    ask(f"{self.admin}/demo/refresh", first)
            turn += 1
            time.sleep(1)


def scraped(api):
    try:
        return bool(query(api, "query", query="up == 1")["result"])
    except (OSError, TypeError):  # not there yet, or not ready
        return False


@contextlib.contextmanager
def prometheus(programs, target):
    """Gives the address of a Prometheus that scrapes the target, with the rules of the example."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "prometheus.yml"
        config.write_text(json.dumps({  # JSON is YAML
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "orders", "static_configs": [{"targets": [target]}]}],
        }))
        process = subprocess.Popen([
            programs / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}", "--log.level=error",
        ])
        try:
            # It begins to scrape some seconds after it is ready.
            deadline = time.time() + 60
            while not scraped(f"http://{address}/api/v1"):
                if time.time() > deadline or process.poll() is not None:
                    raise SystemExit("Prometheus does not scrape")
                time.sleep(0.2)
            yield f"http://{address}/api/v1"
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def collector():
    """Takes traces by OTLP over HTTP, and gives the list of their bodies."""
    bodies = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    taking = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    threading.Thread(target=taking.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{taking.server_port}", bodies
    finally:
        taking.shutdown()


def ready(admin):
    """Waits until there are keys again: after an outage the next fetch may be a minute and a half away."""
    deadline = time.time() + 120
    while status_of(f"{admin}/readyz") != 200:
        if time.time() > deadline:
            raise SystemExit("there are no keys after the outage")
        time.sleep(0.5)


def query(api, kind, **parameters):
    try:
        answer = ask(f"{api}/{kind}?{urllib.parse.urlencode(parameters)}")
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
    return json.loads(answer)["data"]


def expressions():
    """Each expression of the dashboard: the title of its panel, the legend, and what Prometheus is asked."""
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield panel["title"], target["legendFormat"], expression


def finite(series):
    return [value for _, value in series["values"] if math.isfinite(float(value))]


def scenario(program, programs, phases, look=lambda *_: None):
    """Load; the keys rotate; an outage, at the end of it a provider that hangs; and what follows. Gives what was
    seen. `phases` says how many seconds each takes, and `look` is called at the end of each with its name and the
    address of the admin port.
    """
    seen = {"marks": [], "metrics": {}, "ready": {}, "traces": []}
    with contextlib.ExitStack() as stack:
        endpoint, seen["traces"] = stack.enter_context(collector())
        settings = {
            "LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "127.0.0.1:0", "KEYS_MAX_AGE": "5", "KEYS_STALE": "10",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "500", "RUST_LOG": "off",
        }
        address, lines = stack.enter_context(server(program, **settings))
        admin = next(line.split()[1] for line in lines if line.startswith("status ")).removesuffix("/status")
        api = stack.enter_context(prometheus(programs, admin.removeprefix("http://")))
        seen["started"] = time.time()
        with Load(address, admin) as load:
            for name, switch in SWITCHES.items():
                seen["marks"].append((name, time.time()))
                if switch:
                    ask(f"{admin}/demo/provider/{switch}", {})
                load.take_tokens()
                if name == "after":
                    ready(admin)
                time.sleep(phases[name] / 2)
                if name == "load":
                    load.guess(600)
                time.sleep(phases[name] / 2)
                look(name, admin)
                seen["metrics"][name] = ask(f"{admin}/metrics")
                seen["ready"][name] = status_of(f"{admin}/readyz"), status_of(f"{admin}/healthz")
        seen["ended"], seen["broken"] = time.time(), load.broken
        request = urllib.request.Request(f"http://{address}/api/orders")
        request.add_header("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request)
        time.sleep(2)
        bounds = {"start": seen["started"], "end": seen["ended"], "step": 1}
        seen["panels"] = [
            (title, legend, expression, query(api, "query_range", query=expression, **bounds))
            for title, legend, expression in expressions()
        ]
        seen["rules"] = query(api, "rules")["groups"][0]["rules"]
        seen["alerts"] = query(api, "query_range", query="ALERTS", **bounds)["result"]
    return seen


def checks(check, program, programs, browse):
    promtool = programs / "promtool"
    for arguments in [["check", "config", FILES / "prometheus.yml"], ["test", "rules", TESTS]]:
        done = subprocess.run([promtool, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        complaint = done.stdout if done.returncode else ""
        check(f"promtool {arguments[0]} {arguments[1]}", (done.returncode, complaint), (0, ""))
    pages = {}

    def look(name, admin):
        if name in ("load", "outage"):
            pages[name] = browse(f"{admin}/status", name)

    seen = scenario(program, programs, {"load": 8, "rotation": 8, "outage": 24, "hanging": 6, "after": 6}, look)
    check("observability: each caller got answers to the end", seen["broken"], [])
    for title, legend, expression, answer in seen["panels"]:
        valid = not isinstance(answer, str)
        data = sum(len(finite(series)) for series in answer["result"]) if valid else answer
        check(f"Prometheus draws {title}, {legend or 'one line'}", data if not valid else data > 0, True)
    for rule in seen["rules"]:
        check(f"Prometheus evaluates {rule['name']}", (rule["health"], rule.get("lastError", "")), ("ok", ""))
    alerts = [series["metric"] for series in seen["alerts"]]
    fired = {alert["alertname"] for alert in alerts if alert["alertstate"] == "firing"}
    check("alerts that fire in the outage", fired & FIRING, FIRING)
    # Keys may come back before this one has waited for its minute, or after.
    check("and none that should not", fired - FIRING - {"KeysAreMissing"}, set())
    begun = {alert["alertname"] for alert in alerts}
    check("the others begin to wait", {"KeysAreMissing", "KeysCannotBeFetched"} <= begun, True)
    check("ready and alive under load", seen["ready"]["load"], (200, 200))
    check("in the outage, without keys: alive, and not ready", seen["ready"]["outage"], (503, 200))
    check("after it", seen["ready"]["after"], (200, 200))
    for name, state in [("load", "Ready"), ("outage", "Not ready: keys are missing")]:
        page = pages[name]
        check(f"status page, {name}: it says how things are", (page["status"], page["state"]), (200, state))
        quiet = page["scripts"], page["complaints"]
        check(f"status page, {name}: no script, and no complaint of the browser", quiet, (0, []))
        # The browser itself asks for an icon.
        loaded = set(page["requests"]) - {"/favicon.ico"}
        check(f"status page, {name}: nothing is loaded beside it", loaded, {"/status"})
        check(f"status page, {name}: nothing is wider than the screen", set(page["overflow"].values()), {0})
        check(f"status page, {name}: dark is dark", page["darkBackground"] != page["lightBackground"], True)
    spans = [body for path, body in seen["traces"] if path == "/v1/traces"]
    check("a collector gets spans by OTLP", len(spans) > 0, True)
    check("one of them has the trace of the caller", any(bytes.fromhex(TRACE) in body for body in spans), True)
