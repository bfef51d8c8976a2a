"""Parties outside Rust against the examples. Called by `run`, which installs what this needs.

Usage: check.py DIRECTORY_OF_EXAMPLES PROGRAM_THAT_ISSUES DIRECTORY_OF_NODE_SCRIPTS CHROMIUM DIRECTORY_OF_PROMETHEUS
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
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import behind
import configuration
import endpoints
import introspection
import logouts
import rotation
import status_lists
import watched
from programs import server

EXAMPLES, ISSUE, NODE, CHROMIUM = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
PROMETHEUS = Path(sys.argv[5])
PICTURES = NODE.parent / "pictures"
ISSUER, AUDIENCE = "https://id.example.com", "api"
HMAC = ["HS256", "HS384", "HS512"]
PUBLIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
passed = failed = 0
table = {}


def check(what, actual, expected, cell=None):
    global passed, failed
    if cell is not None:  # algorithm, column: all checks of a cell have to pass
        algorithm, column = cell
        row = table.setdefault(algorithm, {})
        row[column] = row.get(column, True) and actual == expected
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
    with server(EXAMPLES / name, *arguments, **variables) as running:
        yield running


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


def post(address, path, body):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
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
    """Keys and tokens of each algorithm, as jose.mjs makes them; the private keys as they are."""
    private_keys = {}
    answer = {"public": [], "secret": [], "tokens": {}, "private": private_keys}
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
        private_keys[algorithm] = key
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
                    cell = (algorithm, f"we verify {maker}'s")
                    check(f"{algorithm} by {maker} is accepted", (status, name), (200, "Bob"), cell)
                    status, _ = get(address, tampered(token))
                    check(f"{algorithm} by {maker}, tampered, is refused", status, 401, cell)


def by_pyjwt(token, algorithm, issuer, key):
    demanded = {"require": ["exp", "iat", "jti"]}
    try:
        claims = jwt.decode(token, key, [algorithm], audience=AUDIENCE, issuer=issuer, options=demanded)
        return claims["sub"]
    except jwt.PyJWTError as error:
        return repr(error)


def tokens_of_ours(theirs):
    """Our tokens, verified through the key sets that we publish; and with keys that the others made."""
    with server(ISSUE) as (address, _):
        everything = []
        for path in PUBLIC + ["Ed25519"] + [f"ring/{algorithm}" for algorithm in ["RS256", "ES256", "Ed25519"]]:
            algorithm, issuer = path.split("/")[-1], f"http://{address}/{path}"
            documents = []
            for place in [f"/{path}/.well-known/openid-configuration", f"/.well-known/oauth-authorization-server/{path}"]:
                status, body = get(address, path=place)
                documents.append((status, json.loads(body)))
            check(f"{path}: the discovery documents agree and name the issuer", [document["issuer"] for _, document in documents], [issuer] * 2)
            uri = documents[0][1]["jwks_uri"]
            token = get(address, path=f"/{path}/token")[1].decode()
            everything.append({"name": path, "alg": algorithm, "token": token, "issuer": issuer, "jwksUri": uri})
            if algorithm in PUBLIC:  # PyJWT does not know the name Ed25519
                keys = jwt.PyJWKClient(uri)
                count = 2 if path.startswith("ring/") else 1
                check(f"{path}: keys that PyJWT finds", len(keys.get_jwk_set().keys), count)
                verdict = by_pyjwt(token, algorithm, issuer, keys.get_signing_key_from_jwt(token))
                check(f"{path} of ours is accepted by PyJWT", verdict, "bob", (algorithm, "PyJWT verifies ours"))
                verdict = by_pyjwt(tampered(token), algorithm, issuer, keys.get_signing_key_from_jwt(token))
                check(f"{path} of ours, tampered, is refused by PyJWT", "Signature" in verdict, True)

        def signed(algorithm, form, key):
            return post(address, "/sign", {"alg": algorithm, "form": form, "key": key})[1].decode()

        for algorithm, jwk in theirs["jose"]["private"].items():
            public = next(k for kind in ["public", "secret"] for k in theirs["jose"][kind] if k["alg"] == algorithm)
            token = signed(algorithm, "jwk", json.dumps(jwk))
            everything.append(
                {"name": f"{algorithm} with jose's key", "alg": algorithm, "token": token, "issuer": ISSUER, "key": public})
        for algorithm, key in theirs["PyJWT"]["private"].items():
            for form, text in forms(key):
                token = signed(algorithm, "base64" if isinstance(key, bytes) else "pem", text)
                public = key if isinstance(key, bytes) else key.public_key()
                verdict = by_pyjwt(token, algorithm, ISSUER, public)
                check(f"{algorithm} with PyJWT's key, {form}, is accepted by PyJWT", verdict, "bob", (algorithm, "PyJWT verifies ours"))

        verdicts = json.loads(node("jose.mjs", "verify", stdin=json.dumps(everything)))
        for one in everything:
            check(f"{one['name']} of ours is accepted by jose", verdicts[one["name"]], "bob", (one["alg"], "jose verifies ours"))


def forms(key):
    """The texts that a private key comes in."""
    if isinstance(key, bytes):
        return [("a secret", base64.b64encode(key).decode())]
    form = serialization.PrivateFormat
    named = [("PKCS#8", form.PKCS8)]
    if isinstance(key, rsa.RSAPrivateKey):
        named.append(("PKCS#1", form.TraditionalOpenSSL))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        named.append(("SEC1", form.TraditionalOpenSSL))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return [(name, key.private_bytes(pem, form, plain).decode()) for name, form in named]


def print_table():
    columns = ["jose verifies ours", "PyJWT verifies ours", "we verify jose's", "we verify PyJWT's"]
    print("algorithm | " + " | ".join(columns))
    for algorithm in HMAC + PUBLIC + ["Ed25519"]:
        cells = [table.get(algorithm, {}).get(column) for column in columns]
        words = {True: "yes", False: "NO", None: "has no such name"}
        print(f"{algorithm:9} | " + " | ".join(words[cell].ljust(len(column)) for cell, column in zip(cells, columns)))


def a_browser():
    with example("websocket") as (_, chat), example("cookie", "--embedded") as (bank, requests):
        page = next(line.split(": ")[1] for line in chat if "#" in line)
        seen = json.loads(node("browser.mjs", CHROMIUM, page, f"http://{bank}"))
    print(f"      the browser is Chromium {seen['version']}")
    inside = ["open, protocol chat", "bob: hello"]
    check("a page with the token as sub-protocol gets in, and `ws.protocol` is chat", seen["chat"][:2], inside)
    check("and is told when its token ends", seen["chat"][2:], ["closed 4401 the access token has ended"])
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


def a_provider():
    with rotation.provider(NODE) as (issuer, rotate):
        settings = {"JWT_OIDC_ISSUER": issuer, "JWT_AUDIENCE": AUDIENCE, "JWT_ALLOW_HTTP": "1"}
        with example("resource_server", JWT_KEYS_MAX_AGE="4", **settings) as (address, _):
            rotation.announced(check, rotate, address, seconds=10, max_age=4)
        with example("oidc", ISSUER=issuer, INSECURE_HTTP_ON_LOOPBACK="1") as (address, _):
            rotation.unannounced(check, rotate, address)
        # The directory is this user's alone, as the store demands.
        with tempfile.TemporaryDirectory() as kept:
            settings |= {"JWT_KEYS_MAX_AGE": "8", "JWT_KEYS_FILE": f"{kept}/keys.json"}
            rotation.outage(check, rotate, lambda: example("resource_server", **settings), seconds=20)


def behind_nginx():
    key = os.urandom(32)
    jwk = {"kty": "oct", "alg": "HS256", "k": base64.urlsafe_b64encode(key).rstrip(b"=").decode()}
    now = int(time.time())

    def token(**claims):
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "exp": now + 600}
        return jwt.encode(usual | claims, key, "HS256")

    good = token(scope="orders:read orders:write")
    tokens = {
        "good": good,
        "tampered": tampered(good),
        "expired": token(scope="orders:read orders:write", exp=now - 600),
        "without scope": token(scope="orders:write"),
    }
    settings = {
        "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS": json.dumps({"keys": [jwk]}),
        "JWT_SCOPES": "orders:read", "JWT_CLAIM_HEADERS": "x-user=sub,x-scope=scope",
    }
    behind.checks(check, lambda: example("resource_server", **settings), tokens)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "jwt.toml")
        keys = json.dumps({"keys": [jwk]})
        file.write_text(f"""
            [[authorities]]
            issuer = "{ISSUER}"
            audience = "{AUDIENCE}"
            jwks = '''{keys}'''
            [[routes]]
            path = "/admin/{{*rest}}"
            methods = ["GET"]
            scopes = ["orders:read"]
        """)
        by_route = {
            "JWT_CONFIG": str(file), "ORIGINAL_URI_HEADER": "x-original-uri",
            "ORIGINAL_METHOD_HEADER": "x-original-method",
        }
        behind.routes(check, lambda: example("resource_server", **by_route), tokens)


def a_login():
    secret = "the password of the administrator"
    with tempfile.TemporaryDirectory() as data:
        PICTURES.mkdir(parents=True, exist_ok=True)
        settings = {"LOGIN_DIR": data, "ADMIN_PASSWORD": secret, "ACCESS_SECONDS": "12"}
        with server(EXAMPLES.parent / "login", **settings) as (address, _):
            seen = json.loads(node("login.mjs", CHROMIUM, f"http://{address}", secret, str(PICTURES)))
            uri = json.loads(get(address, path="/.well-known/openid-configuration")[1])["jwks_uri"]
            body = {"username": "carol", "password": "correct horse battery staple"}
            post(address, "/api/signup", body)
            token = json.loads(post(address, "/api/login", body)[1])["access_token"]
            keys = jwt.PyJWKClient(uri)
            claims = jwt.decode(token, keys.get_signing_key_from_jwt(token), ["ES256"], audience="login-api")
            check("login: PyJWT verifies its tokens by its key set", claims["preferred_username"], "carol")
    host = address.split(":")[0]
    attributes = {"httpOnly": True, "secure": True, "sameSite": "Strict", "path": "/", "domain": host}
    for what, actual, expected in [
        ("no error in the page", seen["pageErrors"], []),
        ("nothing is wider than the screen, desktop and phone", set(seen["overflow"]), {0}),
        ("sign-up logs in, and the page shows the decoded header", seen["header"], {"alg": "ES256"}),
        ("and the roles", seen["roles"], ["reader", "writer"]),
        ("and a countdown", seen["countdown"], True),
        ("the allowed route", seen["allowed"], 200),
        ("the forbidden route", seen["forbidden"], 403),
        ("without cookies", seen["anonymous"], 401),
        ("markup in a note is text", seen["noteIsText"], True),
        ("both cookies cannot be read by scripts, and go to this site alone",
         seen["cookies"], {"__Host-access": attributes, "__Host-refresh": attributes}),
        ("storage and document.cookie are empty", seen["storage"], {"cookie": "", "local": 0, "session": 0}),
        ("the page refreshes its token by itself: same session, another refresh token, still allowed",
         seen["refresh"], {"sameSession": True, "otherRefreshToken": True, "stillAllowed": 200}),
        ("a reload goes on with the session", seen["reload"], True),
        ("one note is there before another site posts", seen["notesBefore"], 1),
        ("another site's forms are refused, and change nothing",
         seen["otherSite"], {"notes": 403, "login": 403, "logout": 403, "changed": False}),
        ("a thief's old refresh token is refused", seen["thief"], 400),
        ("and ends the session", seen["sessionEnded"], True),
        ("wrong password and unknown user read the same", seen["wrongPassword"], seen["unknownUser"]),
        ("and say something", len(seen["wrongPassword"]) > 10, True),
        ("a logout leaves no cookie", seen["cookiesAfterLogout"], 0),
        ("an access token that was kept is refused after the logout", seen["keptAccessToken"], 401),
    ]:
        check(f"login: {what}", actual, expected)
    print(f"      pictures: {len(list(PICTURES.glob('*.png')))}")


def a_watched_service():
    PICTURES.mkdir(parents=True, exist_ok=True)

    def browse(url, name):
        return json.loads(node("status.mjs", CHROMIUM, url, str(PICTURES), name))

    types = json.loads(node("grafana.mjs", str(watched.FILES / "dashboard.json")))
    check("dashboard: it fits Grafana's own types", types["dashboard"], [])
    for what, complaints in types["spoiled"].items():
        check(f"dashboard: {what} does not", len(complaints) > 0, True)
    watched.checks(check, EXAMPLES.parent / "observability", PROMETHEUS, browse)


# So that the servers are ended whatever ends this program.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
grpc_of_another_maker()
theirs = {"PyJWT": keys_of_pyjwt(), "jose": json.loads(node("jose.mjs", "sign"))}
for maker, made in theirs.items():
    tokens_of_others(maker, made)
tokens_of_ours(theirs)
status_lists.checks(check, ISSUE, NODE)
a_browser()
a_provider()
introspection.checks(check, EXAMPLES / "introspection", NODE)
behind_nginx()
configuration.configurations(check, EXAMPLES / "resource_server")
endpoints.checks(check, lambda: example("token_endpoints"), node)
a_login()
logouts.checks(check, EXAMPLES, NODE)
a_watched_service()
print_table()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
