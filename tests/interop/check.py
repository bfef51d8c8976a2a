"""Parties outside Rust against the examples. Called by `run`, which installs what this needs.

Usage: check.py DIRECTORY_OF_EXAMPLES PROGRAM_THAT_ISSUES DIRECTORY_OF_NODE_SCRIPTS CHROMIUM
"""

import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

EXAMPLES, ISSUE, NODE, CHROMIUM = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
ISSUER, AUDIENCE = "https://id.example.com", "api"
HMAC = ["HS256", "HS384", "HS512"]
PUBLIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
passed = failed = 0


def check(what, actual, expected):
    global passed, failed
    if actual == expected:
        passed += 1
        print(f"ok    {what}", flush=True)
    else:
        failed += 1
        print(f"FAIL  {what}: {actual!r} instead of {expected!r}", flush=True)


@contextlib.contextmanager
def example(name, *arguments, **variables):
    """Runs an example until the block ends; gives its address and the lines it printed before. Those that it
    prints later are added when it has ended.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith("JWT_")}
    process = subprocess.Popen(
        [EXAMPLES / name, *arguments], env=clean | {"PORT": "0"} | variables, stdout=subprocess.PIPE, text=True
    )
    lines = []
    try:
        for line in process.stdout:
            if line.startswith("listening on http://"):
                yield line.split("//")[1].strip(), lines
                return
            lines.append(line.strip())
        raise SystemExit(f"{name} ended before it listened")
    finally:
        process.kill()
        lines.extend(line.strip() for line in process.stdout)
        process.wait()


def get(address, token=None, path="/", **headers):
    connection = http.client.HTTPConnection(address, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def node(script, *arguments, stdin=""):
    command = ["node", NODE / script, *arguments]
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout


def tampered(token):
    """The same token, with another subject under the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["sub"] = "mallory"
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def grpc_of_another_maker():
    with example("axum_and_grpc_one_port") as (address, lines):
        authorization = next(line.split("Authorization: ")[1].rstrip("'") for line in lines if "Bearer" in line)
        with grpc.insecure_channel(address) as channel:
            # The message is written by hand: field 1, a string.
            call = channel.unary_unary(
                "/greeter.v1.Greeter/SayHello",
                request_serializer=lambda text: b"\x0a" + bytes([len(text)]) + text.encode(),
                response_deserializer=lambda data: data[2:].decode(),
            )

            def outcome(*metadata):
                try:
                    return call("Hello", metadata=metadata, timeout=30)
                except grpc.RpcError as error:
                    return error.code()

            refused = grpc.StatusCode.UNAUTHENTICATED
            check("grpcio: no token ends with status 16", outcome(), refused)
            check("grpcio: a good token is answered", outcome(("authorization", authorization)), "Hello, Bob")
            bad = ("authorization", f"Bearer {tampered(authorization.split()[1])}")
            check("grpcio: a tampered token ends with status 16", outcome(bad), refused)
            again = outcome(("authorization", authorization))
            check("grpcio: the connection goes on after a refusal", again, "Hello, Bob")
        token = authorization.split()[1]
        check("the same port answers HTTP", get(address, token, "/me")[0], 200)
        for path in ["/me", "/greeter.v1.Greeter/SayHello"]:
            status, _ = get(address, path=path, content_type="application/grpc")
            check(f"GET {path} with a gRPC content type over HTTP/1.1", status, 401)
            status = node("http2-get.mjs", f"http://{address}{path}").strip()
            check(f"GET {path} with a gRPC content type over HTTP/2", status, "401")


def keys_of_pyjwt():
    """Keys and tokens of each algorithm, as jose.mjs makes them."""
    answer = {"public": [], "secret": [], "tokens": {}}
    rsa_key = rsa.generate_private_key(65537, 2048)
    private = {a: rsa_key for a in PUBLIC if a[0] in "RP"} | {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "ES512": ec.generate_private_key(ec.SECP521R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "name": "Bob", "iat": now, "exp": now + 600}
    for algorithm in HMAC + PUBLIC:
        secret = algorithm in HMAC
        key = os.urandom(64) if secret else private[algorithm]
        published = key if secret else key.public_key()
        jwk = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(published))
        kid = f"pyjwt-{algorithm}"
        jwk = {k: v for k, v in jwk.items() if k != "key_ops"} | {"kid": kid, "alg": algorithm, "use": "sig"}
        answer["secret" if secret else "public"].append(jwk)
        answer["tokens"][algorithm] = jwt.encode(claims, key, algorithm, headers={"kid": kid})
    return answer


def tokens_of_others(maker, made):
    for kind in ["secret", "public"]:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"keys": made[kind]}, file)
            file.flush()
            settings = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS": file.name}
            with example("resource_server", **settings) as (address, _):
                for algorithm in (key["alg"] for key in made[kind]):
                    token = made["tokens"][algorithm]
                    status, body = get(address, token)
                    name = json.loads(body).get("name") if status == 200 else None
                    check(f"{algorithm} by {maker} is accepted", (status, name), (200, "Bob"))
                    status, _ = get(address, tampered(token))
                    check(f"{algorithm} by {maker}, tampered, is refused", status, 401)


def tokens_of_ours():
    printed = subprocess.run([ISSUE], stdout=subprocess.PIPE, text=True, check=True).stdout
    issued = json.loads(printed)
    verdicts = json.loads(node("jose.mjs", "verify", stdin=printed))
    for one in issued:
        check(f"{one['alg']} of ours is accepted by jose", verdicts[one["alg"]], "bob")
    for one in issued:
        if one["alg"] not in PUBLIC:
            continue  # PyJWT does not know the name Ed25519
        try:
            key = jwt.PyJWKSet.from_dict(one["jwks"]).keys[0]
            claims = jwt.decode(one["token"], key, algorithms=[one["alg"]], audience=AUDIENCE, issuer=ISSUER)
            verdict = claims["sub"]
        except jwt.PyJWTError as error:
            verdict = repr(error)
        check(f"{one['alg']} of ours is accepted by PyJWT", verdict, "bob")


def a_browser():
    with example("websocket") as (_, chat), example("cookie", "--embedded") as (bank, requests):
        page = next(line.split(": ")[1] for line in chat if "#" in line)
        seen = json.loads(node("browser.mjs", CHROMIUM, page, f"http://{bank}"))
    print(f"      the browser is Chromium {seen['version']}")
    inside = ["open, protocol chat", "bob: hello"]
    check("a page with the token as sub-protocol gets in, and `ws.protocol` is chat", seen["chat"][:2], inside)
    check("and is told when its token expires", seen["chat"][2:], ["closed 4401 the access token expired"])
    check("a page without a token does not get in", seen["chatWithoutToken"], ["closed 1006"])

    # What the server received, so that it is sure that the cookie was sent where it is refused.
    own, other = f"http://{bank}", seen["evilUrl"]
    received = [line for line in requests if "/transfer" in line or "/socket" in line]
    for line in received:
        print(f"      received: {line}")
    received = iter([line.split(", ") for line in received])

    def came(what, page_saw, expected_saw, request, origin, answer):
        line = next(received, ["nothing"] * 4)
        got = (page_saw, line[0], line[1], line[-1])
        check(what, got, (expected_saw, request, "cookie sent", f"origin {origin}: {answer}"))

    came("same origin: POST by cookie", seen["transfer"], "/transfer 200 transferred for bob",
         "POST /transfer", own, "200")
    came("same origin: WebSocket by cookie", seen["socket"], "hello bob", "GET /socket", own, "101")
    came("another site: fetch with the cookie is refused", seen["crossSiteFetch"], 403,
         "POST /transfer", other, "403 cross_site")
    came("another site: WebSocket with the cookie is refused", seen["crossSiteSocket"], "closed",
         "GET /socket", other, "403 cross_site")
    came("another site: form with the cookie is refused", seen["crossSiteForm"], 403,
         "POST /transfer", other, "403 cross_site")


# So that the servers are ended whatever ends this program.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
grpc_of_another_maker()
tokens_of_others("PyJWT", keys_of_pyjwt())
tokens_of_others("jose", json.loads(node("jose.mjs", "sign")))
tokens_of_ours()
a_browser()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
