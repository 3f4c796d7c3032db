"""What the Python ports share: two endpoints, the platforms' signatures, and the client that asks the PIM.

/old takes the Events API's requests, /aep those of the Event Platform; a port gets their events as they came."""
import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BREAK, SHAPE = os.environ.get("BREAK", ""), os.environ.get("SHAPE", "")
SECRET, DATA = os.environ.get("SECRET", "s3cret").encode(), os.environ.get("DATA", ".")
CLIENT = os.environ.get("CLIENT", "pimsim-connector")  # our client id: who we are as an author
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def arguments(doc, breaks, shapes):
    """Called by each port: refuses a name that it does not have, and tells the names."""
    if sys.argv[1:] == ["--list"]:
        print(json.dumps({"breaks": list(breaks), "shapes": list(shapes)}))
        sys.exit()
    if (BREAK and BREAK not in breaks) or SHAPE not in shapes:
        sys.exit(f"{doc}\nBREAK: {' '.join(breaks)}\nSHAPE: {' '.join(shapes)}")
    os.makedirs(DATA, exist_ok=True)


# ---- the PIM -----------------------------------------------------------------------------------------


class Pim:
    """GET against the REST API; a token is fetched when there is none, or it has run out."""

    def __init__(self):
        self.url, self.token = os.environ.get("PIMSIM_PIM_URL", "").rstrip("/"), None

    def call(self, request):
        with DIRECT.open(request, timeout=10) as answer:
            return json.load(answer)

    def log_in(self):
        who = base64.b64encode(f"{CLIENT}:client-secret".encode()).decode()
        body = {"grant_type": "password", "username": "shop", "password": "shop"}
        self.token = self.call(urllib.request.Request(
            self.url + "/api/oauth/v1/token", json.dumps(body).encode(),
            {"Authorization": f"Basic {who}", "Content-Type": "application/json"}))["access_token"]

    def get(self, path, **query):
        """The document; None when there is none."""
        url = f"{self.url}/api/rest/v1/{path}" + ("?" + urllib.parse.urlencode(query) if query else "")
        for fresh in (False, True):
            if fresh or not self.token:
                self.log_in()
            try:
                return self.call(urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"}))
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                if error.code != 401 or fresh:
                    raise

    def one(self, kind, key):
        return self.get(f"{'products-uuid' if kind == 'product' else 'product-models'}/{urllib.parse.quote(key, safe='')}")

    def many(self, kind, keys):
        """The resources with these uuids or codes, by uuid or code."""
        path, name = ("products-uuid", "uuid") if kind == "product" else ("product-models", "code")
        found, keys = {}, sorted(keys)
        for start in range(0, len(keys), 100):
            search = json.dumps({name: [{"operator": "IN", "value": keys[start:start + 100]}]})
            for one in self.get(path, search=search, limit=100)["_embedded"]["items"]:
                found[one[name]] = one
        return found


# ---- the platforms -----------------------------------------------------------------------------------


def digest(data):
    return hmac.new(SECRET, data, hashlib.sha256).hexdigest()


def signed_by_the_pim(headers, body):
    stamp = headers.get("X-Akeneo-Request-Timestamp", "")
    return (stamp.isdigit() and abs(time.time() - int(stamp)) < 300
            and hmac.compare_digest(digest(stamp.encode() + b"." + body), headers.get("X-Akeneo-Request-Signature", "")))


def signed_by_aep(headers, body):
    wanted = digest(body)
    return any(hmac.compare_digest(wanted, headers.get(f"X-AKENEO-SIGNATURE-{which}", "")) for which in ("PRIMARY", "SECONDARY"))


def serve(old, aep, state):
    """old(event) and aep(event) take one event; state() is the text of GET /state."""
    routes = {"/old": (signed_by_the_pim, lambda document: [old(event) for event in document["events"]]),
              "/aep": (signed_by_aep, aep)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def answer(self, status, text=""):
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
            self.wfile.flush()

        def do_HEAD(self):
            self.answer(200)

        def do_GET(self):
            self.answer(*(200, state()) if self.path == "/state" else (404,))

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path not in routes:
                return self.answer(404)
            signed, take = routes[self.path]
            if not signed(self.headers, body):
                return self.answer(401)
            try:
                document = json.loads(body or "{}")
            except ValueError:
                return self.answer(400)
            if document:
                take(document)
            self.answer(200)

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


class Worker:
    """Collects what is put for a moment, and works on it in one go, in the background."""

    def __init__(self, pause, work):
        self.pause, self.work, self.items, self.more = pause, work, [], threading.Condition()
        threading.Thread(target=self.loop, daemon=True).start()

    def put(self, item):
        with self.more:
            self.items.append(item)
            self.more.notify()

    def loop(self):
        while True:
            with self.more:
                self.more.wait_for(lambda: self.items)
            time.sleep(self.pause)
            with self.more:
                batch, self.items = self.items, []
            try:
                self.work(batch)
            except OSError as error:  # the PIM is away: once more, a second later
                print(f"trying again: {error}", file=sys.stderr)
                with self.more:
                    self.items = batch + self.items
                time.sleep(1)
