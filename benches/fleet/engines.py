"""Real engines of this computer, started in a folder of their own on loopback, and the least of a client for each.

Debian's redis-server and postgresql; nothing else is needed.
"""

import glob
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}")


def schedule(pid):
    """Seconds for which all threads of a process have had a processor, and for which they had to wait for one."""
    had, waited = 0, 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path) as file:
                one = file.read().split()
            had, waited = had + int(one[0]), waited + int(one[1])
        except OSError:
            pass
    return had / 1e9, waited / 1e9


def run_time(pid):
    return schedule(pid)[0]


class Redis:
    def __init__(self, *more):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="redis-")
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                   "--maxclients", "50000", "--tcp-backlog", "4096", *more]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self.port)

    def processor(self):
        return run_time(self.process.pid)

    def processes(self):
        return [self.process.pid]

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self):
        return RedisClient(self.port)


class RedisClient:
    """One connection; commands are sent and answers read as whole values."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def call(self, *words):
        self.send(*words)
        return self.answer()

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data

    def answer(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        length = int(rest)
        if length < 0:
            return None
        if kind == b"*":
            return [self.answer() for _ in range(length)]
        while len(self.buffer) < length + 2:
            self._more()
        value, self.buffer = self.buffer[:length], self.buffer[length + 2:]
        return value


class Postgres:
    """A server whose data stand on the disk, with the settings of a fresh installation but `max_connections`."""

    BIN = "/usr/lib/postgresql/15/bin"

    def __init__(self, connections=1200):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="postgres-")
        # It refuses to run as root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres")
        data = self.folder + "/data"
        password = self.folder + "/password"
        with open(password, "w") as file:
            file.write("secret")
        os.chmod(password, 0o644)
        self._run("initdb", "-D", data, "-U", "bench", "--auth=trust", f"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8")
        with open(data + "/pg_hba.conf", "w") as file:
            file.write("host scram all 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        command = [f"{self.BIN}/postgres", "-D", data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", self.folder,
                   "-c", f"max_connections={connections}", "-c", "autovacuum=off", "-c", "log_min_messages=fatal"]
        self.process = subprocess.Popen([*self.user, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_for(self.port)
        time.sleep(0.5)
        with open(data + "/postmaster.pid") as file:
            self.pid = int(file.readline())
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", "bench")

    def _run(self, name, *arguments):
        subprocess.run([*self.user, f"{self.BIN}/{name}", *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def backends(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def processes(self):
        return [self.pid, *self.backends()]

    def processor(self):
        """Of the server and its backends, also of those that have ended."""
        with open(f"/proc/{self.pid}/stat") as file:
            ended = sum(int(ticks) for ticks in file.read().rsplit(")", 1)[1].split()[13:15]) / os.sysconf("SC_CLK_TCK")
        return ended + run_time(self.pid) + sum(run_time(pid) for pid in self.backends())

    def stop(self):
        subprocess.run([*self.user, f"{self.BIN}/pg_ctl", "-D", self.folder + "/data", "-m", "immediate", "stop"],
                       stdout=subprocess.DEVNULL, cwd="/")
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, database="bench"):
        return PostgresClient(self.port, database)


class PostgresClient:
    """One connection without a password; a statement at a time, by the simple protocol."""

    def __init__(self, port, database):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        body = struct.pack("!I", 196608) + b"user\0bench\0database\0" + database.encode() + b"\0\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        self.answer()

    def send(self, statement):
        body = statement.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)

    def call(self, statement):
        self.send(statement)
        return self.answer()

    def message(self):
        while len(self.buffer) < 5 or len(self.buffer) < 1 + struct.unpack("!I", self.buffer[1:5])[0]:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError("closed")
            self.buffer += data
        length = 1 + struct.unpack("!I", self.buffer[1:5])[0]
        kind, body, self.buffer = self.buffer[:1], self.buffer[5:length], self.buffer[length:]
        return kind, body

    def answer(self):
        """The rows of the answer; notifications on the way are dropped."""
        rows, error = [], None
        while True:
            kind, body = self.message()
            if kind == b"D":
                rows.append(self._row(body))
            elif kind == b"E":
                error = body
            elif kind == b"Z":
                if error:
                    raise RuntimeError(error.replace(b"\0", b" ").decode())
                return rows

    @staticmethod
    def _row(body):
        (count,), at, row = struct.unpack("!H", body[:2]), 2, []
        for _ in range(count):
            (length,), at = struct.unpack("!i", body[at:at + 4]), at + 4
            row.append(None if length < 0 else body[at:at + length])
            at += max(length, 0)
        return row
