"""What the Python receivers share: an HTTP server, the two platforms' signatures, their events in one form."""
import dataclasses
import datetime
import hashlib
import hmac
import json
import os
import queue
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BREAK, SECRET, DATA = os.environ.get("BREAK", ""), os.environ.get("SECRET", "s3cret").encode(), os.environ.get("DATA", ".")
SHAPE = os.environ.get("SHAPE", "")
KNOWN = {"product", "product_model"}
ACTIONS = {"created": "created", "updated": "updated", "updated.delta": "updated", "removed": "deleted", "deleted": "deleted"}


def arguments(doc, breaks, shapes=()):
    """Called by each receiver: refuses a name that it does not have, and tells the names."""
    if sys.argv[1:] == ["--list"]:
        print(json.dumps({"breaks": list(breaks), "shapes": list(shapes)}))
        sys.exit()
    if (BREAK and BREAK not in breaks) or (SHAPE and SHAPE not in shapes):
        sys.exit(f"{doc}\nBREAK: {' '.join(breaks)}\nSHAPE: {' '.join(shapes)}")


@dataclasses.dataclass
class Event:
    id: str
    kind: str  # product or product_model
    action: str  # created, updated, deleted
    key: str  # what it is known by: uuid, else identifier or code
    code: str
    at: float  # when it happened in the PIM
    at_text: str
    delta: bool  # `values` are the changed ones alone
    values: dict  # {"name-en_US": "Hoe"}; empty when the platform does not say
    fields: dict  # family, enabled, categories
    raw: dict

    @property
    def light(self):
        return not self.delta and "values" not in (self.raw.get("data", {}).get("resource") or {})


class Malformed(Exception):
    pass


def parse(body):
    """Events of a body, those of kinds that we do not know left out."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("not JSON")
    if not isinstance(document, dict):
        raise Malformed("not an object")
    try:
        if "specversion" in document:
            found = [from_aep(document)]
        else:
            if not isinstance(document["events"], list):
                raise Malformed("events is no list")
            found = [from_events_api(event) for event in document["events"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(repr(error))
    return [event for event in found if event]


def moment(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def slot(attribute, value):
    return "-".join(str(part) for part in (attribute, value.get("locale"), value.get("scope")) if part)


def from_events_api(event):
    kind, _, action = event["action"].partition(".")
    if kind not in KNOWN or action not in ACTIONS:
        return None
    resource = event["data"]["resource"]
    code = resource.get("identifier") or resource.get("code")
    values = {slot(name, one): one["data"] for name, all_ in dict(resource.get("values") or {}).items() for one in all_}
    fields = {name: resource[name] for name in ("family", "enabled", "categories") if name in resource}
    return Event(event["event_id"], kind, ACTIONS[action], resource.get("uuid") or code, code,
                 moment(event["event_datetime"]), event["event_datetime"], False, values, fields, event)


def from_aep(event):
    name = event["type"].removeprefix("com.akeneo.pim.v1.").replace("product-model", "product_model")
    kind, _, action = name.partition(".")
    if kind not in KNOWN or action not in ACTIONS:
        return None
    entity = event["data"][kind]
    changes = entity.get("changes") or {}
    values = {slot(name, one): one["new"] for name, all_ in (changes.get("values") or {}).items() for one in all_}
    fields = {name: changes[name]["new"] for name in ("family", "enabled") if name in changes}
    code = entity.get("identifier") or entity.get("code")
    return Event(event["id"], kind, ACTIONS[action], entity.get("uuid") or code, code, moment(event["time"]),
                 event["time"], action == "updated.delta", values, fields, event)


def signed(headers, body):
    """By the platform whose headers it bears."""
    if "X-Akeneo-Request-Timestamp" in headers:
        stamp, given = headers["X-Akeneo-Request-Timestamp"], [headers.get("X-Akeneo-Request-Signature", "")]
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
            return False
        body = stamp.encode() + b"." + body
    else:
        given = [headers.get(f"X-AKENEO-SIGNATURE-{which}", "") for which in ("PRIMARY", "SECONDARY")]
    wanted = hmac.new(SECRET, body, hashlib.sha256).hexdigest().encode()
    return any(hmac.compare_digest(wanted, one.encode("latin-1", "replace")) for one in given)


def serve(receive, pages, trust=None):
    """receive(events, gone) stores; its answer is 200 unless it returns a status and what to do after it.
    pages(path) gives (content type, text, headers) or None. trust(events): what a bad one does on forged events."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer
        disable_nagle_algorithm = True

        def answer(self, status, text="", kind="text/plain", headers=()):
            data = text if isinstance(text, bytes) else text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
            self.wfile.flush()

        def gone(self):
            """Whoever asked has hung up."""
            readable, _, _ = select.select([self.connection], [], [], 0)
            try:
                return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
            except OSError:
                return True

        def do_HEAD(self):
            self.answer(200)

        def do_GET(self):
            page = pages(self.path)
            self.answer(*((200, page[1], page[0], page[2] if len(page) > 2 else ()) if page else (404, "no such page")))

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not signed(self.headers, body):
                if trust:
                    try:
                        trust(parse(body))
                    except Malformed:
                        pass
                return self.answer(401, "who are you?")
            if not body:
                return self.answer(200)
            try:
                events = parse(body)
            except Malformed as error:
                return self.answer(400, str(error))
            after = receive(events, self.gone) if events else None
            self.answer(200)
            if after:
                after()

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

        def handle_error(self, request, address):
            if not isinstance(sys.exc_info()[1], OSError):
                super().handle_error(request, address)

    threading.Thread(target=work_off, daemon=True).start()
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


def every(seconds, work):
    """Work in a thread of its own, again and again."""

    def loop():
        while True:
            time.sleep(seconds)
            work()

    threading.Thread(target=loop, daemon=True).start()


put_off = queue.Queue()


def later(seconds, work, *arguments):
    """Work that begins so much later, in the order in which it was asked for."""
    put_off.put((time.monotonic() + seconds, work, arguments))


def work_off():
    while True:
        at, work, arguments = put_off.get()
        time.sleep(max(0, at - time.monotonic()))
        work(*arguments)


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
