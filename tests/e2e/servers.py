"""Servers that connectors could be: sound, and hostile in every way that a socket allows.

Each listens on a free port of its own, serves every connection in a thread, and ends with its `with`."""
import contextlib
import hashlib
import hmac
import json
import pathlib
import socket
import struct
import threading
import time

SECRET = "s3cret"


class Request:
    def __init__(self, method, target, lines, body, pieces):
        self.method, self.target, self.lines, self.body = method, target, lines, body
        self.headers = {name.lower(): value for name, value in lines}
        self.pieces = pieces  # when each piece of it was read
        self.at = time.monotonic()

    @property
    def json(self):
        return json.loads(self.body)

    def signed(self, secret=SECRET):
        """By the definition of the platform whose headers it bears, with Python's own HMAC."""
        digest = lambda data: hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
        if "x-akeneo-request-timestamp" in self.headers:
            wanted = digest(self.headers["x-akeneo-request-timestamp"].encode() + b"." + self.body)
            return self.headers.get("x-akeneo-request-signature", "").lower() == wanted
        names = ["x-akeneo-signature-primary", "x-akeneo-signature-secondary"]
        return digest(self.body) in [self.headers.get(name, "").lower() for name in names]

    def fresh(self):
        return abs(time.time() - int(self.headers.get("x-akeneo-request-timestamp", time.time()))) < 300


class Connection:
    def __init__(self, sock):
        self.sock, self.buffer, self.pieces = sock, b"", []

    def more(self):
        data = self.sock.recv(1 << 16)
        self.pieces.append(time.monotonic())
        self.buffer += data
        return bool(data)

    def head(self):
        """The request line and the headers, or None when the client closes."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        return method, target, [tuple(part.strip() for part in line.split(":", 1)) for line in lines]

    def request(self):
        self.pieces = []
        head = self.head()
        if not head:
            return None
        length = next((int(value) for name, value in head[2] if name.lower() == "content-length"), 0)
        while len(self.buffer) < length:
            if not self.more():
                return None
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Request(*head, body, self.pieces)

    def send(self, text):
        self.sock.sendall(text.encode("latin-1") if isinstance(text, str) else text)

    def wait_closed(self):
        with contextlib.suppress(OSError):
            while self.sock.recv(1 << 16):
                pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Server:
    def __init__(self, talk, tls=None, host="127.0.0.1", path="/"):
        self.talk, self.tls, self.requests, self.failures, self.connections = talk, tls, [], [], 0
        self.sockets, self.threads, self.lock = set(), [], threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.bind((host, 0))
        self.listener.listen(1024)
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{self.port}{path}"

    def __enter__(self):
        self.acceptor = threading.Thread(target=self.accept)
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()
        with self.lock:
            for sock in self.sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self.serve, args=(sock,))
            self.connections += 1
            self.threads.append(thread)
            with self.lock:
                self.sockets.add(sock)
            thread.start()

    def serve(self, sock):
        try:
            if self.tls:
                with self.lock:
                    self.sockets.discard(sock)
                    sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                    self.sockets.add(sock)
                sock.do_handshake()
            self.talk(self, Connection(sock))
        except OSError:
            pass  # the other side closed
        except Exception as failure:
            self.failures.append(repr(failure))
        finally:
            with self.lock:
                self.sockets.discard(sock)
            sock.close()


def answer(status=200, body="", **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n{body}"


def verdict_on(request):
    """What a sound connector answers."""
    if request.method == "HEAD":
        return 200
    if not request.signed() or not request.fresh():
        return 401
    try:
        document = json.loads(request.body) if request.body else {}
    except (ValueError, RecursionError):
        return 400
    return 200 if isinstance(document, dict) else 400


def serving(reply):
    """reply(request) gives the answer's bytes; None closes the connection instead."""

    def talk(server, connection):
        while request := connection.request():
            server.requests.append(request)
            text = reply(request)
            if text is None:
                return
            connection.send(text)

    return talk


def sound(**more):
    return Server(serving(lambda request: answer(verdict_on(request))), **more)


def free_port():
    """One on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until(condition, seconds=20):
    """Wait for a condition; what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.002)
    return value


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid):
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rsplit(")", 1)[1].split()[1])
    found, last = set(), {pid}
    while last := {child for child, parent in parents.items() if parent in last}:
        found |= last
    return found
