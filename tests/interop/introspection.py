"""The example `introspection` before npm oidc-provider, whose access tokens are opaque.

`check.py` calls `checks`. As a program it checks that alone.

Usage: introspection.py DIRECTORY_OF_EXAMPLES DIRECTORY_OF_NODE_SCRIPTS
"""

import concurrent.futures
import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from programs import server


@contextlib.contextmanager
def provider(node):
    """Gives what it says at first, and a function that tells it what to do."""
    process = subprocess.Popen(
        ["node", node / "introspect.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def tell(**order):
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return json.loads(next(process.stdout))

    try:
        yield json.loads(next(process.stdout)), tell
    finally:
        process.kill()
        process.wait()


def get(address, token, path="/"):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
    response = connection.getresponse()
    body = response.read().decode()
    challenge = response.headers.get("www-authenticate", "")
    connection.close()
    return response.status, body, challenge


def checks(check, program, node):
    with provider(node) as (made, tell), tempfile.TemporaryDirectory() as folder:
        key = Path(folder, "key.pem")
        key.write_text(made["key"])
        usual = {
            "ISSUER": made["issuer"], "INTROSPECTION_URL": made["endpoint"], "INSECURE_HTTP_ON_LOOPBACK": "1",
        }
        secret = {"CLIENT_SECRET": made["secret"]}
        ways = {
            "client_secret_basic": {"CLIENT_ID": "orders:basic", **secret},
            "client_secret_post": {"CLIENT_ID": "orders-post", "CLIENT_AUTH": "post", **secret},
            "private_key_jwt": {"CLIENT_ID": "orders-key", "CLIENT_KEY": str(key)},
        }
        ways |= {f"{way}, signed answers": settings | {"SIGNED_ANSWERS": "1"} for way, settings in ways.items()}
        for (way, settings), token in zip(ways.items(), made["tokens"]):
            with server(program, **usual, **settings) as (address, _):
                status, body, _ = get(address, token)
                check(f"introspection, {way}: a good token passes", status, 200)
                check(f"introspection, {way}: and is the client's", '"job"' in body and made["issuer"] in body, True)
                status, _, challenge = get(address, token, "/admin")
                check(f"introspection, {way}: without the scope", (status, "insufficient_scope" in challenge), (403, True))
                status, _, challenge = get(address, token[:-1])
                check(f"introspection, {way}: garbage", (status, "invalid_token" in challenge), (401, True))
                check(f"introspection, {way}: a token for another audience", get(address, made["other"])[0], 401)
                check(f"introspection, {way}: the endpoint was asked once about each", tell(count=True)["asked"], 3)

        wrong = usual | {"CLIENT_ID": "orders-post", "CLIENT_SECRET": "wrong"}
        with server(program, **wrong) as (address, _):
            status, _, challenge = get(address, made["tokens"][6])
            check("introspection: with wrong credentials of ours it is 503", (status, challenge), (503, ""))
        tell(count=True)

        with server(program, **usual, **ways["client_secret_basic"]) as (address, _):
            token, withdrawn = made["tokens"][6], made["tokens"][7]
            with concurrent.futures.ThreadPoolExecutor(100) as pool:
                statuses = set(pool.map(lambda _: get(address, token)[0], range(1000)))
            check("introspection: 1,000 requests with one token pass", statuses, {200})
            check("introspection: and ask once", tell(count=True)["asked"], 1)
            check("introspection: the provider withdraws a token (RFC 7009)", tell(revoke=withdrawn), {"status": 200})
            check("introspection: it is refused", get(address, withdrawn)[0], 401)
            tell(away=True)
            check("introspection: while the provider is away a new token gets 503", get(address, made["other"])[0], 503)
            check("introspection: and one that is known passes", get(address, token)[0], 200)
            tell(away=False)
            check("introspection: when it is back, new ones are judged", get(address, made["other"])[0], 401)


if __name__ == "__main__":
    failed = 0

    def say(what, actual, expected):
        global failed
        failed += actual != expected
        print("ok   " if actual == expected else "FAIL ", what, "" if actual == expected else (actual, expected), flush=True)

    checks(say, Path(sys.argv[1]) / "introspection", Path(sys.argv[2]))
    sys.exit(1 if failed else 0)
