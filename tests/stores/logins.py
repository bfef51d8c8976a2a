"""Called by `logins`: speaks to two processes of `login` and measures."""

import http.client
import json
import re
import sys
import time


def address(log, patience=60):
    """Host and port of a process that writes where it listens into this file."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        text = open(log).read()
        found = re.search(r"listening on http://localhost:(\d+)", text)
        if found:
            return "127.0.0.1", int(found[1])
        time.sleep(0.05)
    sys.exit(f"it does not listen:\n{open(log).read()}")


class Site:
    def __init__(self, log):
        self.connection = http.client.HTTPConnection(*address(log), timeout=30)
        self.client = "192.0.2.1"

    def call(self, method, path, token=None, body=None):
        headers = {"content-type": "application/json", "x-real-ip": self.client}
        if token:
            headers["authorization"] = f"Bearer {token}"
        self.connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text


def need(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got!r}, wanted {wanted!r}")


def kids(site):
    return {key["kid"] for key in site.call("GET", "/.well-known/jwks.json")[1]["keys"]}


def log_in(site, name, password):
    status, pair = site.call("POST", "/api/login", body={"username": name, "password": password})
    need("log in", status, 200)
    return pair


def spread(times):
    times = sorted(times)
    at = lambda part: times[min(len(times) - 1, int(part * len(times)))] * 1000
    return f"p50 {at(0.5):.0f} ms, p99 {at(0.99):.0f} ms, worst {times[-1] * 1000:.0f} ms"


def run(log_a, log_b, times):
    a, b = Site(log_a), Site(log_b)
    password = "correct-horse-battery"
    logout_everywhere, logout = [], []
    for number in range(times):
        # Attempts are limited for each name and each client, so each time has its own.
        name = f"user{number}"
        a.client = b.client = f"198.51.{number // 250}.{number % 250 + 1}"
        status, _ = a.call("POST", "/api/signup", body={"username": name, "password": password})
        need("sign up", status, 201)
        one, two = log_in(a, name, password), log_in(a, name, password)
        for pair in (one, two):
            need("B takes the token of A", b.call("GET", "/api/notes", pair["access_token"])[0], 200)
        status, rotated = b.call("POST", "/api/refresh", body={"refresh_token": one["refresh_token"]})
        need("B refreshes the session of A", status, 200)
        need("A takes what B refreshed", a.call("GET", "/api/notes", rotated["access_token"])[0], 200)
        need("log out at A", a.call("POST", "/api/logout", body={"refresh_token": two["refresh_token"]})[0], 204)
        logout.append(until_refused(b, two["access_token"]))
        need("the other session goes on", b.call("GET", "/api/notes", rotated["access_token"])[0], 200)
        done = a.call("POST", "/api/logout-everywhere", rotated["access_token"])
        need("log out everywhere at A", done[0], 204)
        logout_everywhere.append(until_refused(b, rotated["access_token"]))
        need("A refuses too", a.call("GET", "/api/notes", rotated["access_token"])[0], 401)
        need("and B the refresh token", b.call("POST", "/api/refresh", body={"refresh_token": rotated["refresh_token"]})[0], 400)
    admin = log_in(a, "admin", password)
    status, rotated = a.call("POST", "/api/keys/rotate", admin["access_token"], body={})
    need("rotate the keys at A", status, 200)
    begin = time.monotonic()
    need("A publishes the next key", rotated["kid"] in kids(a), True)
    while rotated["kid"] not in kids(b):
        if time.monotonic() - begin > 90:
            sys.exit("B does not publish the key of A")
        time.sleep(0.2)
    rotation = time.monotonic() - begin
    need("tokens go on", b.call("GET", "/api/notes", admin["access_token"])[0], 200)
    print(f"{times} times: B refuses after a logout at A: {spread(logout)}")
    print(f"{times} times: B refuses after a logout everywhere at A: {spread(logout_everywhere)}")
    print(f"B publishes the key that was rotated in at A after {rotation:.1f} s (at most a minute)")
    worst = max(logout + logout_everywhere)
    need("all within a second", worst < 1.0, True)


def until_refused(site, token):
    begin = time.monotonic()
    while True:
        status, _ = site.call("GET", "/api/notes", token)
        if status == 401:
            return time.monotonic() - begin
        need("until then the token is good", status, 200)
        if time.monotonic() - begin > 10:
            sys.exit("B goes on for ten seconds")
        time.sleep(0.005)


if sys.argv[1] == "wait":
    address(sys.argv[2])
else:
    run(sys.argv[2], sys.argv[3], int(sys.argv[4]))
