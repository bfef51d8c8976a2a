"""Status lists of two other makers, npm @sd-jwt/jwt-status-list and PyPI's token-status-list, which tokens name at random."""

import base64
import contextlib
import http.server
import json
import random
import threading
import time
import urllib.request

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from token_status_list import IssuerStatusList

from programs import server

ISSUER, AUDIENCE = "https://id.example.com", "api"
MEDIA_TYPE = "application/statuslist+jwt"


def es256(key, payload):
    """A signature as JWS has it: two numbers of 32 bytes."""
    r, s = decode_dss_signature(key.sign(payload, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def public_jwk(key, kid):
    return json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "ES256", "use": "sig"}


@contextlib.contextmanager
def documents(served):
    """Serves these bodies by their paths until the block ends; lists to those alone who ask for their media type."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = served.get(self.path)
            if body is None or (self.path.startswith("/lists/") and self.headers["accept"] != MEDIA_TYPE):
                return self.send_error(404)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}"
        finally:
            listening.shutdown()


def by_python(base, served):
    """Lists by token-status-list, and tokens that name them; the key of the tokens, and the tokens with their statuses."""
    lists, issuer, now = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1()), int(time.time())
    served["/jwks.json"] = json.dumps({"keys": [public_jwk(lists, "lists")]}).encode()
    tokens = []
    for bits in (1, 2, 4, 8):
        # The library wants whole bytes.
        made, uri = IssuerStatusList.new(bits, 8000), f"{base}/lists/{bits}"
        statuses = [random.randrange(2**bits) if random.random() < 0.5 else 0 for _ in range(8000)]
        for index, status in enumerate(statuses):
            made[index] = status
        payload = made.sign_jwt_payload(alg="ES256", kid="lists", iss=ISSUER, sub=uri, exp=now + 3600, ttl=600)
        signature = base64.urlsafe_b64encode(es256(lists, payload)).rstrip(b"=")
        served[f"/lists/{bits}"] = payload + b"." + signature
        for index in random.sample(range(8000), 500):
            claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "iat": now, "exp": now + 600}
            claims["status"] = {"status_list": {"idx": index, "uri": uri}}
            token = jwt.encode(claims, issuer, algorithm="ES256", headers={"kid": "issuer"})
            tokens.append({"bits": bits, "idx": index, "status": statuses[index], "token": token})
    return public_jwk(issuer, "issuer"), tokens


def compare(check, program, maker, base, key, tokens):
    """What the service says of each token, strict and with two application-specific statuses that it accepts."""
    for accepted in ([], [3, 12]):
        asked = {
            "issuer": ISSUER, "audience": AUDIENCE, "key": json.dumps(key), "lists": f"{base}/lists/",
            "jwks": f"{base}/jwks.json", "accepted": accepted, "tokens": [token["token"] for token in tokens],
        }
        request = urllib.request.Request(
            f"http://{program}/statuses", json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            verdicts = json.load(response)
        for bits in (1, 2, 4, 8):
            pairs = [(token, verdict) for token, verdict in zip(tokens, verdicts, strict=True) if token["bits"] == bits]
            expected = ["ok" if token["status"] in [0, *accepted] else "revoked" for token, _ in pairs]
            wrong = sum(verdict != right for (_, verdict), right in zip(pairs, expected, strict=True))
            revoked = expected.count("revoked")
            what = f"status lists of {maker}, {bits} bits, accepting {accepted}: {len(pairs)} tokens, {revoked} revoked"
            check(f"{what}, misjudged", wrong, 0)


def checks(check, issue, node):
    with server(issue) as (program, _):
        with server("node", node / "lists.mjs") as (address, _):
            with urllib.request.urlopen(f"http://{address}/tokens", timeout=60) as response:
                made = json.load(response)
            compare(check, program, "@sd-jwt/jwt-status-list", f"http://{address}", made["key"], made["tokens"])
        served = {}
        with documents(served) as base:
            compare(check, program, "token-status-list", base, *by_python(base, served))


if __name__ == "__main__":
    import sys
    from pathlib import Path

    def check(what, actual, expected):
        print("ok   " if actual == expected else "FAIL ", what, actual, flush=True)

    checks(check, sys.argv[1], Path(sys.argv[2]))
