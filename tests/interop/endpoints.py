"""Revocation and introspection by npm openid-client and by Authlib, at the example token_endpoints."""

import json
import urllib.error
import urllib.request

from authlib.integrations.requests_client import OAuth2Session


def status(request):
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def checks(check, start, node):
    with start() as (address, _):
        url = f"http://{address}"
        by_node(check, url, json.loads(node("endpoints.mjs", url)))
        by_authlib(check, url)


def by_node(check, url, seen):
    member = {
        "active": True, "iss": url, "aud": "orders", "sub": "bob", "client_id": "web-app", "scope": "orders:read",
        "token_type": "Bearer", "username": "bob@example.com",
    }

    def named(answer):
        return {name: value for name, value in answer.items() if name not in ["exp", "iat", "jti"]}

    inactive = {"active": False}
    for what, actual, expected in [
        ("it finds the endpoints", seen["metadata"], {
            "revocation_endpoint": "/oauth/revoke",
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "introspection_endpoint": "/oauth/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "introspection_signing_alg_values_supported": ["ES256"],
        }),
        ("the token opens the protected route", seen["before"], 200),
        ("an introspection describes the token", named(seen["plain"]), member),
        ("a signed one says the same", seen["signed"], seen["plain"]),
        ("a resource server of another audience sees nothing", seen["ofAnother"], inactive),
        ("another client cannot revoke the token", seen["revokedByAnother"], 200),
        ("a wrong secret is an invalid client", seen["wrongSecret"], [401, "basic"]),
        ("the token is revoked, whatever the hint, and the layer refuses it", seen["after"], 401),
        ("it is not active any more", [seen["plainAfter"], seen["signedAfter"]], [inactive] * 2),
        ("another client cannot end the session", seen["session"], 200),
        ("a refresh token ends the session and its access token", seen["sessionAfter"], [401, 400]),
    ]:
        check(f"openid-client: {what}", actual, expected)
    signed = ["application/token-introspection+jwt", ["aud", "iat", "iss", "token_introspection"], seen["plain"]]
    check("jose: it verifies a signed introspection", seen["byJose"], signed)
    check("jose: and that of a revoked token", seen["byJoseAfter"], inactive)


def by_authlib(check, url):
    def client(name, secret, method):
        return OAuth2Session(
            name, secret, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method
        )

    def me(token):
        return status(urllib.request.Request(f"{url}/me", headers={"authorization": f"Bearer {token}"}))

    # Authlib puts a secret into a `Basic` header as it is, so one with `%` goes into the body.
    orders = client("orders", "open:100%", "client_secret_post")
    web_app = client("web-app", "sesame", "client_secret_basic")
    with urllib.request.urlopen(urllib.request.Request(f"{url}/login", method="POST"), timeout=30) as response:
        tokens = json.load(response)
    access, refresh = tokens["access_token"], tokens["refresh_token"]

    def introspected(token, **more):
        answer = orders.introspect_token(f"{url}/oauth/introspect", token=token, **more)
        return answer.status_code, answer.json()

    check("Authlib: the token opens the protected route", me(access), 200)
    found = introspected(access, token_type_hint="access_token")
    check("Authlib: an introspection describes it", (found[0], found[1]["sub"], found[1]["active"]), (200, "bob", True))
    answer = web_app.revoke_token(f"{url}/oauth/revoke", token=access, token_type_hint="access_token")
    check("Authlib: it revokes the token", (answer.status_code, answer.text), (200, ""))
    check("Authlib: the layer refuses it", me(access), 401)
    check("Authlib: it is not active any more", introspected(access), (200, {"active": False}))
    answer = web_app.revoke_token(f"{url}/oauth/revoke", token=refresh, token_type_hint="refresh_token")
    check("Authlib: it revokes the refresh token", (answer.status_code, answer.text), (200, ""))
    body = json.dumps({"refresh_token": refresh}).encode()
    again = urllib.request.Request(f"{url}/refresh", body, {"content-type": "application/json"})
    check("Authlib: which is not exchanged any more", status(again), 400)
