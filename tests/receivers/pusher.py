"""Writes each change to a shop: an inbox and an outbox in SQLite, and a worker that calls SHOP (a URL).

SHAPE: put (PUT /api/products/KEY), patch, post (POST /api/products with the key in the body; sets), bulk (POST
/api/products/batch, a list every half second), stock (POST /api/stock-movements, adds), sync (PUT before it
answers), table (no shop: the worker writes a table every two seconds, shown at /state)."""
import http.client
import json
import os
import sqlite3
import threading
import time
import urllib.parse

import webhook
from webhook import BREAK, SHAPE

BREAKS = {
    "no-dedup": "an inbox without a unique key",
    "race": "SELECT, works for 30 ms, INSERT",
    "last-arrival": "writes whatever comes",
    "resurrect": "forgets what it deleted",
    "ack-first": "answers, and stores a quarter of a second later",
    "memory-queue": "its queue is in memory",
    "claimed": "takes an event from the queue before it works on it, and never looks at those again",
    "first-of-batch": "looks at events[0]",
    "trusts-forged": "queues before it verifies",
}
SHAPES = "put patch post bulk stock sync table".split()
os.makedirs(webhook.DATA, exist_ok=True)
FILE = os.path.join(webhook.DATA, "queue.db")
SHOP = urllib.parse.urlsplit(os.environ.get("SHOP", "http://127.0.0.1:1"))
lock, working, wake = threading.Lock(), threading.Lock(), threading.Event()
db = sqlite3.connect(FILE, check_same_thread=False, isolation_level=None)


def prepare():
    temporary, unique = ("TEMP" if BREAK == "memory-queue" else ""), ("" if BREAK in ("no-dedup", "race") else "UNIQUE")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"CREATE {temporary} TABLE IF NOT EXISTS inbox (n INTEGER PRIMARY KEY, event_id TEXT {unique}, event TEXT, state TEXT DEFAULT 'new')")
    db.execute("CREATE TABLE IF NOT EXISTS products (entity TEXT PRIMARY KEY, at REAL, product TEXT)")


def store(events, gone=None):
    if BREAK == "first-of-batch":
        events = events[:1]
    if BREAK == "race":
        with lock:
            events = [e for e in events if not db.execute("SELECT 1 FROM inbox WHERE event_id = ?", (e.id,)).fetchone()]
        events = list({e.id: e for e in events}.values())
        time.sleep(0.03)
    with lock:
        db.execute("BEGIN IMMEDIATE")
        for event in events:
            db.execute("INSERT OR IGNORE INTO inbox (event_id, event) VALUES (?, ?)", (event.id, json.dumps(event.raw)))
        db.execute("COMMIT")
    wake.set()


def receive(events, gone):
    if BREAK == "ack-first":
        return lambda: webhook.later(0.25, store, events)
    store(events)
    if SHAPE == "sync":
        work()


def call(method, path, body=None):
    """At least once: what fails is tried again."""
    for pause in (0.05, 0.2, 1, 3, 0):
        try:
            shop = http.client.HTTPConnection(SHOP.hostname, SHOP.port, timeout=5)
            shop.request(method, path, json.dumps(body) if body is not None else None,
                         {"Content-Type": "application/json", "X-Request-Id": os.urandom(8).hex()})
            answer = shop.getresponse()
            answer.read()
            shop.close()
            if answer.status < 300 or answer.status == 404:
                return
        except OSError:
            pass
        time.sleep(pause)


def write(event, product):
    name = urllib.parse.quote(event.key, safe="")
    if SHAPE == "stock":
        call("POST", "/api/stock-movements", {"item": event.key, "by": 1, "why": event.action})
    elif SHAPE == "post":
        call("POST", "/api/products", {"key": event.key, **product})
    elif SHAPE == "patch":
        call("PATCH", f"/api/products/{name}", {"status": "gone" if product["deleted"] else "on sale", **product["values"]})
    elif product["deleted"]:
        call("DELETE", f"/api/products/{name}")
    else:
        call("PUT", f"/api/products/{name}", product)


def take(event, known):
    """The product after the event; None when nothing is to be written."""
    if event.key not in known:
        with lock:
            row = db.execute("SELECT at, product FROM products WHERE entity = ?", (event.key,)).fetchone()
        known[event.key] = (row[0], json.loads(row[1])) if row else (0, {"values": {}, "deleted": False})
    at, product = known[event.key]
    if event.at < at and BREAK != "last-arrival":
        return product if SHAPE == "stock" else None
    values = {**product["values"], **event.values} if event.delta else product["values"] if event.light else event.values
    product = {"values": values, "deleted": event.action == "deleted"}
    known[event.key] = (0 if BREAK == "resurrect" and product["deleted"] else event.at, product)
    return product


def work():
    """Empties the inbox. Written to the shop first, committed then: after a crash it is written again."""
    with working:
        known, batch = {}, []
        with lock:
            rows = db.execute("SELECT n, event FROM inbox WHERE state = 'new' ORDER BY n").fetchall()
            if BREAK == "claimed":
                db.executemany("UPDATE inbox SET state = 'taken' WHERE n = ?", [(n,) for n, _ in rows])
        if BREAK == "claimed":
            time.sleep(0.15)
        for _, text in rows:
            document = json.loads(text)
            event = webhook.from_aep(document) if "specversion" in document else webhook.from_events_api(document)
            product = take(event, known)
            if product and SHAPE == "bulk":
                batch.append({"sku": event.key, "op": "delete" if product["deleted"] else "upsert", "attributes": product["values"]})
            elif product and SHAPE != "table":
                write(event, product)
        if batch:
            call("POST", "/api/products/batch", {"products": batch})
        with lock:
            db.execute("BEGIN")
            for key, (at, product) in known.items():
                db.execute("INSERT OR REPLACE INTO products VALUES (?, ?, ?)", (key, at, json.dumps(product)))
            db.executemany("UPDATE inbox SET state = 'done' WHERE n = ?", [(n,) for n, _ in rows])
            db.execute("COMMIT")


def worker():
    while True:
        work()
        wake.wait(2)
        wake.clear()
        if SHAPE in ("table", "bulk"):
            time.sleep(2 if SHAPE == "table" else 0.5)


def pages(path):
    with lock:
        rows = db.execute("SELECT entity, product FROM products").fetchall()
        waiting = db.execute("SELECT count(*) FROM inbox WHERE state = 'new'").fetchone()[0]
    return "application/json", json.dumps({"waiting": waiting, "products": [{"entity": entity, **json.loads(product)} for entity, product in rows]})


if __name__ == "__main__":
    webhook.arguments(__doc__, BREAKS, SHAPES)
    prepare()
    if SHAPE != "sync":
        threading.Thread(target=worker, daemon=True).start()
    webhook.serve(receive, pages, store if BREAK == "trusts-forged" else None)
