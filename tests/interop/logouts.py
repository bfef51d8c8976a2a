"""Logouts of npm oidc-provider, and security events that npm jose signs, at examples/logout.rs.

Called by `check.py`. As a program: logouts.py DIRECTORY_OF_EXAMPLES DIRECTORY_OF_NODE_SCRIPTS
"""

import base64
import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from programs import server

CREDENTIAL = "Bearer 5f0c1e7ab3d24986a1f3c0de77b1e2c4"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


@contextlib.contextmanager
def provider(node):
    """Gives the issuer, and a function that has the provider do something."""
    process = subprocess.Popen(
        ["node", node / "logout.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def have(what, **settings):
        process.stdin.write(json.dumps({"do": what, **settings}) + "\n")
        process.stdin.flush()
        return json.loads(next(line for line in process.stdout if line.startswith("{")))

    try:
        yield next(line for line in process.stdout if line.startswith("issuer ")).split()[1], have
    finally:
        process.kill()
        process.wait()


def status(service, token):
    connection = http.client.HTTPConnection(service, timeout=30)
    connection.request("GET", "/", headers={"authorization": f"Bearer {token}"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers.get("www-authenticate", "")


def post(service, path, body, **headers):
    connection = http.client.HTTPConnection(service, timeout=30)
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def by_session(check, have, service):
    """Access tokens have `sid`: one session ends, another of the same user goes on."""
    phone = have("login", user="bob", browser="phone")
    laptop = have("login", user="bob", browser="laptop")
    tokens = [phone["access_token"], laptop["access_token"]]
    sids = [claims_of(token).get("sid") for token in tokens]
    check("logout: the access tokens have different sid", len(set(sids) - {None}), 2)
    check("logout: both tokens work", [status(service, token)[0] for token in tokens], [200, 200])
    begin = time.monotonic()
    seen = have("logout", browser="phone", id_token=phone["id_token"])
    print(f"      logout: the provider had its answer after {1000 * (time.monotonic() - begin):.0f} ms")
    check("logout: the provider takes our answer for success", seen["sent"], [{"client": "shop", "ok": True}])
    refused = status(service, tokens[0])
    check("logout: the token of that session is refused", refused[0], 401)
    check("logout: as invalid_token", 'error="invalid_token"' in refused[1], True)
    check("logout: the other session goes on", status(service, tokens[1])[0], 200)
    again = have("login", user="bob", browser="phone")
    check("logout: who logs in again has a new session", status(service, again["access_token"])[0], 200)


def without_sid(check, have, service):
    """Access tokens without `sid`, as oidc-provider makes them unless told: a logout by `sid` misses them."""
    token = have("login", user="eve", sid=False)
    check("no sid: the access token has none", "sid" in claims_of(token["access_token"]), False)
    check("no sid: it works", status(service, token["access_token"])[0], 200)
    seen = have("logout", browser="eve", id_token=token["id_token"])
    check("no sid: the provider is content", seen["sent"], [{"client": "shop", "ok": True}])
    check("no sid: but the token is not found by sid", status(service, token["access_token"])[0], 200)


def by_subject(check, have, service):
    """The same with BY_SUBJECT=1; and a client whose logout tokens have no `sid` at all."""
    for client in ["shop", "shop-by-sub"]:
        user = f"user-of-{client}"
        phone = have("login", user=user, browser=f"{user}-phone", client=client, sid=False)
        laptop = have("login", user=user, browser=f"{user}-laptop", client=client, sid=False)
        other = have("login", user="carol", client=client, sid=False)
        tokens = [one["access_token"] for one in (phone, laptop, other)]
        check(f"by sub, {client}: all work", [status(service[client], token)[0] for token in tokens], [200] * 3)
        seen = have("logout", browser=f"{user}-phone", id_token=phone["id_token"])
        check(f"by sub, {client}: the provider is content", seen["sent"], [{"client": client, "ok": True}])
        statuses = [status(service[client], token)[0] for token in tokens]
        check(f"by sub, {client}: all tokens of the user are refused", statuses, [401, 401, 200])
        # `iat` counts seconds: what is issued in the second of the logout is refused too.
        time.sleep(1.1)
        again = have("login", user=user, browser=f"{user}-phone", client=client, sid=False)
        check(f"by sub, {client}: who logs in again is let in", status(service[client], again["access_token"])[0], 200)


def refusals(check, have, service):
    """What the provider really signs, at the wrong place."""
    tokens = have("login", user="mallory")
    form = {"content-type": "application/x-www-form-urlencoded"}
    for name in ["access_token", "id_token"]:
        answer = post(service, "/backchannel-logout", f"logout_token={tokens[name]}", **form)
        check(f"logout: an {name} of the provider is no logout token", answer[0], 400)
        check(f"logout: and the answer says so in JSON, {name}", json.loads(answer[1])["error"], "invalid_request")
    check("logout: nobody was logged out by it", status(service, tokens["access_token"])[0], 200)


def events(check, have, service, issuer):
    """Events with the subjects and members that the specifications show."""
    def sub(name):
        return {"format": "iss_sub", "iss": issuer, "sub": name}

    def send(claims, credential=CREDENTIAL, **settings):
        answer = have("event", service=service, authorization=credential, claims=claims, **settings)
        return answer["status"], (answer["body"] or {}).get("err")

    def disabled(name):
        return {"sub_id": sub(name), "events": {RISC + "account-disabled": {"reason": "hijacking"}}}

    token = have("login", user="dave")["access_token"]
    sid = claims_of(token)["sid"]
    state = {"https://schemas.openid.net/secevent/ssf/event-type/verification": {"state": "VGhpcyBpcw"}}
    check("events: a verification is acknowledged", send({"sub_id": {"format": "opaque", "id": "dave"}, "events": state}), (202, None))
    check("events: another credential", send(disabled("dave"), "Bearer 5f0c1e7ab3d24986a1f3c0de77b1e2c5"), (400, "authentication_failed"))
    check("events: another typ", send(disabled("dave"), header={"typ": "JWT"}), (400, "invalid_request"))
    check("events: another kid", send(disabled("dave"), header={"kid": "two"}), (400, "invalid_key"))
    check("events: of another user", send(disabled("eve")), (202, None))
    check("events: after all of them the token works", status(service, token)[0], 200)
    session = {"format": "complex", "session": {"format": "opaque", "id": sid}, "user": sub("dave"),
               "tenant": {"format": "opaque", "id": "123456789"}}
    details = {"initiating_entity": "policy", "reason_admin": {"en": "Landspeed Policy Violation: C076E82F"},
               "reason_user": {"en": "Access attempt from multiple regions."}, "event_timestamp": int(time.time())}
    check("events: session-revoked", send({"sub_id": session, "events": {CAEP + "session-revoked": details}}), (202, None))
    check("events: the session's token is refused", status(service, token)[0], 401)
    token = have("login", user="dave", browser="tablet")["access_token"]
    check("events: another session goes on", status(service, token)[0], 200)
    check("events: account-disabled", send(disabled("dave")), (202, None))
    check("events: all tokens of the user are refused", status(service, token)[0], 401)


def checks(check, examples, node):
    with provider(node) as (issuer, have), contextlib.ExitStack() as servers:
        def start(client, **variables):
            return servers.enter_context(server(
                examples / "logout", ISSUER=issuer, CLIENT_ID=client, INSECURE_HTTP_ON_LOOPBACK="1", **variables
            ))[0]

        # The services ask for keys with the first token, when the provider is there.
        service = start("shop", EVENTS_AUTHORIZATION=CREDENTIAL)
        have("start", service=service)
        by_session(check, have, service)
        without_sid(check, have, service)
        refusals(check, have, service)
        events(check, have, service, issuer)
        second = {"shop": start("shop", BY_SUBJECT="1"), "shop-by-sub": start("shop-by-sub")}
        have("start", service=second["shop"], otherService=second["shop-by-sub"])
        by_subject(check, have, second)


def main(examples, node):
    failed, passed = [], 0

    def check(what, actual, expected):
        nonlocal passed
        passed += actual == expected
        print(f"{'ok   ' if actual == expected else 'FAIL '} {what}: {actual!r}", flush=True)
        failed.extend([what] if actual != expected else [])

    checks(check, examples, node)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the programs are ended
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
