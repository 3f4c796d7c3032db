"""A connector in a hurry: one thread, HTTP/1.0, a connection for each request. Small, and sound.

    PORT=3000 SECRET=s3cr3t PLATFORM=aep python3 single_threaded.py

BREAK=NAME breaks it in one of the ways below; BREAK=list names them.
"""
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

BREAKS = {
    "keep-alive": "keeps its one connection open, so that nobody else gets in",
    "backlog": "has a backlog of one",
    "sleeps-60": "works for 60 ms before it answers",
    "sleeps-200": "works for 200 ms before it answers",
    "unread": "answers without reading the body, and closes",
    "traceback": "lets every exception close the connection",
}
BREAK, EVENTS_API = os.environ.get("BREAK", ""), os.environ.get("PLATFORM") == "events-api"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1" if BREAK == "keep-alive" else "HTTP/1.0"

    def log_message(self, *args):
        pass

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def verified(self, body):
        sent, signed = self.headers.get("X-Akeneo-Request-Timestamp", ""), body
        names = ["X-Akeneo-Signature-Primary", "X-Akeneo-Signature-Secondary"]
        if EVENTS_API:
            names, signed = ["X-Akeneo-Request-Signature"], sent.encode() + b"." + body
            if not sent.isdecimal() or abs(time.time() - int(sent)) > 300:
                return False
        wanted = hmac.new(os.environ["SECRET"].encode(), signed, hashlib.sha256).hexdigest().encode()
        return any(hmac.compare_digest(wanted, self.headers.get(name, "").encode()) for name in names)

    def do_HEAD(self):
        self.answer(200)

    def do_POST(self):
        if BREAK == "unread":
            return self.answer(200)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.verified(body):
            return self.answer(401)
        if not body:
            return self.answer(200 if EVENTS_API else 400)
        time.sleep({"sleeps-60": 0.06, "sleeps-200": 0.2}.get(BREAK, 0))
        try:
            message = json.loads(body)
            for event in message["events"] if EVENTS_API else [message]:
                event["event_id" if EVENTS_API else "id"]
        except (ValueError, LookupError, TypeError, RecursionError):
            if BREAK == "traceback":
                raise
            return self.answer(400)
        self.answer(200)


class Server(HTTPServer):
    request_queue_size = 1 if BREAK == "backlog" else 128

    def handle_error(self, request, client_address):
        pass


if __name__ == "__main__":
    if BREAK == "list":
        sys.exit(print("\n".join(BREAKS)))
    Server(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Handler).serve_forever()
