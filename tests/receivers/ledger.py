"""Event-sourced: nothing is kept but a log of events, one row each; what it shows is worked out from the log.

SHAPE: stock (movements and balances), mails (an outbox, one mail an event, as lines), projection (products next to the
log), counts (events for each product)."""
import json
import os
import queue
import sqlite3
import threading
import time

import webhook
from webhook import BREAK, SHAPE

BREAKS = {
    "no-dedup": "the log has no unique key",
    "dedup-memory": "ids are remembered in the process",
    "dedup-age": "takes a copy that comes more than 100 ms after the first for another event",
    "race": "SELECT, works for 30 ms, INSERT",
    "last-arrival": "projects in the order of arrival",
    "buffered": "writes its log every half second, and answers before",
    "memory-only": "keeps its log in memory",
    "first-of-batch": "looks at events[0]",
    "trusts-forged": "logs before it verifies",
}
SHAPES = "stock mails projection counts".split()
os.makedirs(webhook.DATA, exist_ok=True)
FILE = os.path.join(webhook.DATA, "ledger.db")
lock, memory, buffer = threading.RLock(), {}, queue.Queue()
db = sqlite3.connect(":memory:" if BREAK == "memory-only" else FILE, check_same_thread=False, isolation_level=None)
UNIQUE = "" if BREAK in ("no-dedup", "dedup-memory", "dedup-age", "race") else "UNIQUE"


def prepare():
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY, event_id TEXT {UNIQUE}, entity TEXT, action TEXT, "
               "at REAL, at_text TEXT, delta INTEGER, light INTEGER, vals TEXT, logged TEXT)")


def append(event):
    db.execute("INSERT OR IGNORE INTO log (event_id, entity, action, at, at_text, delta, light, vals, logged) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
               (event.id, event.key, event.action, event.at, event.at_text, event.delta, event.light, json.dumps(event.values), webhook.now()))


def store(events, gone=None):
    if BREAK == "first-of-batch":
        events = events[:1]
    if BREAK == "race":
        with lock:
            events = [e for e in events if not db.execute("SELECT 1 FROM log WHERE event_id = ?", (e.id,)).fetchone()]
        events = list({e.id: e for e in events}.values())
        time.sleep(0.03)
    with lock:
        if BREAK in ("dedup-memory", "dedup-age"):
            for event in list(events):
                first = memory.setdefault(event.id, (time.monotonic(), event))
                if first[1] is not event and (BREAK == "dedup-memory" or time.monotonic() - first[0] < 0.1):
                    events = [e for e in events if e is not event]
        db.execute("BEGIN IMMEDIATE")
        for event in events:
            append(event)
        db.execute("COMMIT")


def receive(events, gone):
    if BREAK == "buffered":
        return lambda: buffer.put(events)
    store(events)


def flush():
    while not buffer.empty():
        store(buffer.get())


def project(rows):
    """Products, from the events in the order in which they happened."""
    found = {}
    for row in rows if BREAK == "last-arrival" else sorted(rows, key=lambda row: row["at"]):
        one = found.setdefault(row["entity"], {"entity": row["entity"], "alive": True, "values": {}, "as_of": None, "events": 0})
        one["events"] += 1
        one["alive"], one["as_of"] = row["action"] != "deleted", row["at_text"]
        if row["delta"]:
            one["values"] = {**one["values"], **json.loads(row["vals"])}
        elif not row["light"]:
            one["values"] = json.loads(row["vals"])
    return list(found.values())


def pages(path):
    with lock:
        cursor = db.execute("SELECT * FROM log ORDER BY n")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor]
    if path == "/mails":
        return "text/plain", "".join(f"[{row['logged']}] mail #{row['n']} to buyers@example.com: {row['entity']} was {row['action']}\n" for row in rows)
    if path == "/stock":
        movements = [{"no": row["n"], "reference": row["event_id"], "item": row["entity"], "quantity": -1 if row["action"] == "deleted" else 1} for row in rows]
        balance = {}
        for movement in movements:
            balance[movement["item"]] = balance.get(movement["item"], 0) + movement["quantity"]
        return "application/json", json.dumps({"movements": movements, "balances": [{"item": k, "on_hand": v} for k, v in balance.items()]})
    if path == "/counts":
        counts = {}
        for row in rows:
            counts.setdefault(row["entity"], {}).setdefault(row["action"], 0)
            counts[row["entity"]][row["action"]] += 1
        return "application/json", json.dumps(counts)
    if path == "/projection":
        return "application/json", json.dumps({"log": rows, "products": project(rows)})
    return None


if __name__ == "__main__":
    webhook.arguments(__doc__, BREAKS, SHAPES)
    prepare()
    if BREAK == "buffered":
        webhook.every(0.5, flush)
    webhook.serve(receive, pages, store if BREAK == "trusts-forged" else None)
