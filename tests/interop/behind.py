"""resource_server behind nginx, which asks it about each request (auth_request)."""

import contextlib
import http.client
import http.server
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

CONFIGURATION = """
daemon off;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};

        location / {{
            auth_request /auth;
            auth_request_set $user $upstream_http_x_user;
            auth_request_set $scope $upstream_http_x_scope;
            proxy_set_header X-User $user;
            proxy_set_header X-Scope $scope;
            proxy_set_header Authorization "";
            proxy_pass http://{backend};
        }}

        location = /auth {{
            internal;
            proxy_pass http://{auth};
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Method $request_method;
        }}
    }}
}}
"""


@contextlib.contextmanager
def backend():
    """A server that answers with the headers it sees."""

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def nginx(auth, backend):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # started by root, its workers are somebody else
        text = CONFIGURATION.format(folder=folder, port=port, auth=auth, backend=backend)
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(text)
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        process = subprocess.Popen([program, "-p", folder, "-e", "stderr", "-c", configuration])
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def send(address, token=None, method="GET", body=None, path="/orders/7", **headers):
    connection = http.client.HTTPConnection(address, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def routes(check, resource_server, tokens):
    """Policies by route, of a file: the layer judges what nginx was asked, not the path at which nginx asks."""
    with backend() as behind, resource_server() as (auth, _), nginx(auth, behind) as address:
        for method, path, token, status in [
            ("GET", "/admin/users?a=b", "good", 200),
            ("GET", "/admin/users", "without scope", 403),
            ("GET", "/admin", "without scope", 403),
            ("GET", "/%61dmin/users", "without scope", 403),
            ("POST", "/admin/users", "good", 403),
            ("GET", "/orders", "without scope", 200),
            ("POST", "/orders", "without scope", 200),
            ("GET", "/admin/../orders", "good", 403),
            ("GET", "//admin/users", "good", 403),
            ("GET", "/orders", None, 401),
        ]:
            body = b"x" if method == "POST" else None
            forged = {"x_original_uri": "/orders", "x_original_method": "GET"}
            answer, _ = send(address, tokens.get(token), method, body, path, **forged)
            check(f"nginx: {method} {path} with {token or 'no token'}, by route", answer.status, status)


def checks(check, resource_server, tokens):
    """`tokens`: one with the scope, one without it, one that has expired, one that was tampered with."""
    with backend() as behind, resource_server() as (auth, _), nginx(auth, behind) as address:
        answer, text = send(address, tokens["good"], x_user="admin", x_scope="everything")
        check("nginx: a good token gets through", answer.status, 200)
        seen = json.loads(text)
        of = lambda name: [value for header, value in seen if header == name]
        check("nginx: the backend hears who it is, and nothing that the client said", of("x-user"), ["bob"])
        check("nginx: and its scope", of("x-scope"), ["orders:read orders:write"])
        check("nginx: and sees no token", of("authorization"), [])
        answer, text = send(address, tokens["good"], method="POST", body=b"x" * 100_000)
        check("nginx: a body goes to the backend alone", answer.status, 200)
        for what, token, status in [
            ("no token", None, 401),
            ("a token that was tampered with", tokens["tampered"], 401),
            ("an expired token", tokens["expired"], 401),
            ("a token without the scope", tokens["without scope"], 403),
            ("no token at all but a forged claim header", None, 401),
        ]:
            answer, text = send(address, token, x_user="admin")
            check(f"nginx: {what}", answer.status, status)
            check(f"nginx: {what}, and the backend was not asked", b"x-user" in text, False)
            if status == 401:
                challenge = answer.getheader("www-authenticate") or ""
                check(f"nginx: {what}, with the challenge of the layer", challenge.startswith("Bearer "), True)
