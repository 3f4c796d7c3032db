"""An Akeneo connector in Python: verifies over the raw bytes, answers; a worker would empty the queue.

    PORT=3000 SECRET=s3cr3t PLATFORM=aep python3 connector.py

BREAK=NAME breaks it in one of the ways below, as connectors in the wild are; BREAK=list names them.
"""
import base64
import collections
import hashlib
import hmac
import json
import os
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BREAKS = {
    # how it verifies
    "json-dumps": "verifies over json.dumps(json.loads(body))",
    "json-compact": "the same with separators=(',', ':') and ensure_ascii=False, which looks right on AEP",
    "decoded": "verifies over body.decode('ascii', 'ignore')",
    "no-dot": "signs timestamp and body without the dot",
    "secret-newline": "open(…).read() of the secret, with its newline",
    "secret-space": "has a space at the end of its secret",
    "base64": "compares with base64.b64encode(digest)",
    "secret-base64": "decodes its secret from base64",
    "fromhex": "bytes.fromhex of the header, unchecked: ValueError, 500",
    "ascii-only": "compare_digest of str: TypeError on characters that are not ASCII",
    "exact-case": "looks for its header in lower case, in a plain dict",
    "secondary-first": "looks at the secondary signature alone as soon as there is one",
    "secret-of-both": "accepts what anybody signs with the name of the platform",
    "empty-too": "accepts the signature of the empty secret",
    "startswith": "compares as many digits as it is given",
    "accepts-missing": "headers.get(…) or expected",
    "no-clock": "never looks at the timestamp",
    "clock-local": "compares the timestamp with a clock two hours ahead",
    "sampled": "verifies one request of four, for speed",
    # how it answers
    "sleeps-300": "works for 300 ms before it answers",
    "sleeps-700": "works for 700 ms before it answers",
    "sleeps-4000": "works for 4 s before it answers",
    "lock-40": "holds one lock for 40 ms a delivery",
    "lock-100": "holds one lock for 100 ms a delivery",
    "drops-half": "drops every second connection",
    "drops-some": "closes one connection of twenty in the middle of its answer",
    "garbage": "answers something that is not HTTP",
    "trickles": "answers a byte a second",
    "short-body": "promises a longer answer than it sends, and closes",
    "huge-answer": "echoes a page of 3 MB",
    "status-204": "answers 204",
    "status-300": "answers 300",
    "status-503": "is being deployed",
    "wrong-path": "serves /webhook: 404 elsewhere",
    "head-501": "has no do_HEAD",
    # what it takes
    "json-type": "takes application/json; charset=utf-8 only: 415",
    "recursion": "lets RecursionError out: 500",
    "unicode-error": "body.decode() outside of try: 500",
    "dies": "os._exit on whatever it cannot read",
    "dies-large": "is killed by its memory limit at 1 MB",
    "limit-64k": "reads 64 kB, and verifies those",
    "keyerror-removed": "event['data']['resource']['values'] of a removed product",
    "enum": "Enum(type) raises on an unknown type: 400",
    "extra-forbid": "pydantic's extra = 'forbid': 422",
    "batch-five": "answers 413 to more than five events",
    "duplicate-400": "answers 400 to a duplicate",
    "duplicate-slow": "waits for the lock of a duplicate, 5 s",
}

BREAK, EVENTS_API = os.environ.get("BREAK", ""), os.environ.get("PLATFORM") == "events-api"
KNOWN_TYPES = ("created", "updated", "removed", "deleted", "completed", "delta", "status-changed", "became-complete",
               "became-incomplete")
MEMBERS = {"action", "event_id", "event_datetime", "author", "author_type", "pim_source", "data", "specversion", "id",
           "source", "type", "subject", "datacontenttype", "dataschema", "time"}


def broken(*names):
    return BREAK in names


def the_secret():
    secret = os.environ["SECRET"].encode()
    if broken("secret-newline", "secret-space"):
        return secret + (b"\n" if broken("secret-newline") else b" ")
    return base64.b64decode(secret + b"==", altchars=b"-_") if broken("secret-base64") else secret


def signature(secret, timestamp, body):
    if broken("json-dumps"):
        body = json.dumps(json.loads(body)).encode()
    if broken("json-compact"):
        body = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    if broken("decoded"):
        body = body.decode("ascii", "ignore").encode()
    signed = timestamp.encode() + (b"" if broken("no-dot") else b".") + body if EVENTS_API else body
    digest = hmac.new(secret, signed, hashlib.sha256)
    return base64.b64encode(digest.digest()).decode() if broken("base64") else digest.hexdigest()


def same(wanted, given):
    if broken("fromhex"):
        return hmac.compare_digest(bytes.fromhex(wanted), bytes.fromhex(given))
    if broken("startswith"):
        return bool(given) and wanted.startswith(given)
    if broken("ascii-only"):
        return hmac.compare_digest(wanted, given if given.isalnum() and len(given) == 64 else given + "\xe9")
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


class Taken:
    """What has come: the ids that are known, and the queue of a worker."""

    def __init__(self):
        self.lock, self.slow, self.ids = threading.Lock(), threading.Lock(), set()
        self.queue, self.count = queue.SimpleQueue(), collections.Counter()

    def tick(self, what):
        with self.lock:
            self.count[what] += 1
            return self.count[what]

    def put(self, event):
        key = event["event_id" if EVENTS_API else "id"]
        if broken("keyerror-removed"):
            (event["data"]["resource"]["values"] if EVENTS_API else event["data"]["product"]["uuid"])
        if broken("enum") and event["action" if EVENTS_API else "type"].rpartition(".")[2] not in KNOWN_TYPES:
            return 400
        if broken("extra-forbid") and not MEMBERS.issuperset(event):
            return 422
        with self.lock:
            known = key in self.ids
            self.ids.add(key)
        if known and broken("duplicate-slow"):
            time.sleep(5)
        if known and broken("duplicate-400"):
            return 400
        if not known:
            self.queue.put(event)
        return 200


TAKEN, SECRET = Taken(), None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # status, headers and body in one write

    def log_message(self, *args):
        pass

    def verified(self, body):
        names = ["X-Akeneo-Request-Signature"] if EVENTS_API else [
            "X-Akeneo-Signature-Primary", "X-Akeneo-Signature-Secondary"]
        headers = dict(self.headers.items()) if broken("exact-case") else self.headers
        given = [headers.get(name.lower() if broken("exact-case") else name) for name in names]
        if broken("accepts-missing") and not any(given):
            return True
        if broken("sampled") and TAKEN.tick("verified") % 4:
            return True
        if broken("secondary-first") and given[-1] is not None:
            given = given[-1:]
        timestamp = self.headers.get("X-Akeneo-Request-Timestamp", "")
        keys = [SECRET] + [b""] * broken("empty-too") + [b"akeneo"] * broken("secret-of-both")
        wanted = [signature(key, timestamp, body) for key in keys]
        if not any(same(one, other) for one in wanted for other in given if other is not None):
            return False
        return not EVENTS_API or broken("no-clock") or self.fresh(timestamp)

    def fresh(self, timestamp):
        clock = time.time() + (7200 if broken("clock-local") else 0)
        return timestamp.isdecimal() and abs(clock - int(timestamp)) < 300

    def read(self):
        length = int(self.headers.get("Content-Length", 0))
        if broken("limit-64k") and length > 65536:
            self.close_connection = True
            return self.rfile.read(65536)
        if broken("dies-large") and length > 1_000_000:
            os._exit(137)
        return self.rfile.read(length)

    def work(self):
        pause = {"sleeps-300": 0.3, "sleeps-700": 0.7, "sleeps-4000": 4}.get(BREAK)
        lock = {"lock-40": 0.04, "lock-100": 0.1}.get(BREAK)
        if pause:
            time.sleep(pause)
        if lock:
            with TAKEN.slow:
                time.sleep(lock)

    def take(self, body):
        if broken("unicode-error"):
            body = body.decode()
        try:
            message = json.loads(body)
        except RecursionError:
            if broken("recursion"):
                raise
            return 400
        except ValueError as error:
            if broken("dies"):
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            return 400
        events = message.get("events") if EVENTS_API and isinstance(message, dict) else [message]
        key = "event_id" if EVENTS_API else "id"
        if not isinstance(events, list) or not all(isinstance(e, dict) and isinstance(e.get(key), str) for e in events):
            return 400
        if broken("batch-five") and len(events) > 5:
            return 413
        return max(map(TAKEN.put, events), default=200)

    def status(self, body):
        if broken("status-503"):
            return 503
        if broken("wrong-path") and self.path != "/webhook":
            return 404
        if broken("json-type") and self.headers.get("Content-Type") != "application/json; charset=utf-8":
            return 415
        if not self.verified(body):
            return 401
        if not body:
            return 200 if EVENTS_API else 400
        self.work()
        status = self.take(body)
        return {"status-204": 204, "status-300": 300}.get(BREAK, 200) if status == 200 else status

    def answer(self, status, text=b""):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(text) + {"short-body": 100, "trickles": 60}.get(BREAK, 0)))
        self.end_headers()
        if broken("trickles") and self.command == "POST":
            for _ in range(60):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(1)
        self.wfile.write(b"" if self.command == "HEAD" else text)
        self.close_connection |= broken("short-body")

    def do_HEAD(self):
        self.answer(501 if broken("head-501") else 404 if broken("wrong-path") else 200)

    def do_POST(self):
        body = self.read()
        drops = {"drops-half": 2, "drops-some": 20}.get(BREAK)
        if drops and TAKEN.tick("posts") % drops == 0:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{" if broken("drops-some") else b"")
            self.close_connection = True
            return
        if broken("garbage"):
            self.wfile.write(b"OK\n")
            self.close_connection = True
            return
        try:
            status = self.status(body)
        except Exception as error:  # what a framework makes of it
            print(repr(error), file=sys.stderr, flush=True)
            status = 500
        self.answer(status, b"." * 3_000_000 if broken("huge-answer") else b"")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that went away


if __name__ == "__main__":
    if BREAK == "list":
        sys.exit(print("\n".join(BREAKS)))
    if BREAK and BREAK not in BREAKS:
        sys.exit(f"BREAK={BREAK}?")
    SECRET = the_secret()
    Server(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Handler).serve_forever()
