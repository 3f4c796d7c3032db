"""A shop's connector for the Events API, and the ways in which it shows its state.

Within a test, a Shop behind a Server; as a program (`shop.py PORT FOLDER HABIT…`), one that keeps what it took in a
file and can be killed and started again."""
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from servers import Server, answer


class Shop:
    """Products by their uuid. A sound one knows each event that it took; counts=True takes copies for news."""

    def __init__(self, counts=False):
        self.counts, self.rows, self.history, self.seen, self.lock = counts, {}, [], set(), threading.Lock()

    def take(self, body):
        with self.lock:
            for event in json.loads(body)["events"]:
                self.apply(event)

    def apply(self, event):
        if event["event_id"] in self.seen and not self.counts:
            return
        self.seen.add(event["event_id"])
        product = event["data"]["resource"]
        row = self.rows.setdefault(product["uuid"], {
            "id": len(self.rows) + 1, "uuid": product["uuid"], "sku": product["identifier"], "changes": 0})
        row["changes"] += 1
        self.history.append({"id": len(self.history) + 1, "event": event["event_id"], "product": product["uuid"]})
        if product["updated"] >= row.get("updated", ""):
            row.update(updated=product["updated"], values=product["values"])

    def table(self):
        with self.lock:
            return json.loads(json.dumps(list(self.rows.values())))


def page(body="", status=200, **headers):
    """An answer of any bytes."""
    body = body if isinstance(body, bytes) else body.encode()
    return answer(status, "\0" * len(body), **headers).encode("latin-1")[:-len(body) or None] + body


def rows(shop, _):
    return page(json.dumps(shop.table()))


def serve(shop, show, take=None):
    """take(body) is what a POST does; show(shop, request) answers a GET."""

    def talk(server, connection):
        while request := connection.request():
            server.requests.append(request)
            if request.method == "GET":
                connection.send(show(shop, request))
            else:
                if request.method == "POST" and request.body:
                    (take or shop.take)(request.body)
                connection.send(answer())

    return Server(talk)


class Durable(Shop):
    def __init__(self, path):
        super().__init__()
        self.path = path
        for line in path.read_text().splitlines() if path.exists() else []:
            super().take(line)
        self.file = path.open("a")

    def take(self, body):
        with self.lock:
            self.file.write(body.decode() + "\n")
            self.file.flush()
        super().take(body)


def main(port, folder, *habits):
    folder = pathlib.Path(folder)
    with (folder / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    again = len((folder / "starts").read_text().split()) > 1
    if "lock" in habits:
        try:
            (folder / "lock").open("x").write(str(os.getpid()))
        except FileExistsError:
            sys.exit(f"another one is running: see {folder / 'lock'}")
    if "family" in habits:
        for session in (False, True):
            child = subprocess.Popen(["sleep", "1000"], start_new_session=session)
            with (folder / ("daemons" if session else "children")).open("a") as file:
                file.write(f"{child.pid}\n")
    if again and "never" in habits:
        sys.exit("the database is broken")
    if again and "hangs" in habits:
        time.sleep(1000)
    if again and "slowly" in habits:
        time.sleep(1)
    shop = Durable(folder / "taken.ndjson") if "forgets" not in habits else Shop()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        log_message = lambda *_: None

        def say(self, body=b""):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        def do_HEAD(self):
            self.say()

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if body:
                shop.take(body)
            self.say()

        def do_GET(self):
            if "shy" in habits:
                print("it is private", flush=True)
                os._exit(1)
            self.say(json.dumps(shop.table()).encode())

    port = int(port) + (again and "elsewhere" in habits)
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
