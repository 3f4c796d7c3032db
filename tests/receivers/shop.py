"""A shop's product table in SQLite, behind a webhook: ids, effect and answer in one transaction.

    PORT=3000 SECRET=s3cret DATA=/tmp/shop [SHAPE=rows] [BREAK=no-dedup] python3 shop.py

SHAPE is what it shows at /state."""
import hashlib
import html
import itertools
import json
import os
import random
import sqlite3
import threading
import time
import urllib.parse
import uuid

import webhook
from webhook import BREAK, SHAPE

BREAKS = {
    "no-dedup": "does not look at event ids",
    "dedup-memory": "remembers event ids in the process",
    "dedup-request": "looks for an event id in its own request only",
    "dedup-last-3": "remembers the last three event ids",
    "lookup-first": "looks up all ids of a request before it stores any",
    "race": "SELECT, works for 30 ms, INSERT",
    "last-arrival": "the last to arrive wins",
    "arrival-clock": "compares the times of arrival",
    "resurrect": "deletes the row, and inserts it again for an older update",
    "delete-unknown": "UPDATE … SET deleted = 1, which does nothing for a product that is not there yet",
    "late-create": "INSERT OR REPLACE on created",
    "update-unknown": "drops updates of products that it does not know yet",
    "ack-first": "answers, and stores a quarter of a second later",
    "memory-only": "starts with an empty database",
    "first-of-batch": "looks at events[0]",
    "seen-first": "commits the id, works, commits the effect",
    "half-on-hang-up": "stops working when the sender has hung up, and commits the id",
    "trusts-forged": "stores, then verifies, then answers 401",
}
SHAPES = ("rows by-uuid by-code by-number by-hash tree archive shards redis tuples html csv upper hex urls paged "
          "paged-link crowded payload neighbours versions audit history dirty hidden tables").split()

os.makedirs(webhook.DATA, exist_ok=True)
FILE = os.path.join(webhook.DATA, "shop.db")
memory, memory_lock = [], threading.Lock()
here = threading.local()


def database():
    if not hasattr(here, "db"):
        here.db = sqlite3.connect(FILE, timeout=20, isolation_level=None)
        here.db.row_factory = sqlite3.Row
        here.db.execute("PRAGMA synchronous = NORMAL")
    return here.db


def prepare():
    if BREAK == "memory-only":
        for end in ("", "-wal", "-shm"):
            if os.path.exists(FILE + end):
                os.unlink(FILE + end)
    db = database()
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript("""
        CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY, at TEXT DEFAULT current_timestamp);
        CREATE TABLE IF NOT EXISTS products (
            id INTEGER PRIMARY KEY, uuid TEXT UNIQUE, code TEXT, kind TEXT, family TEXT, enabled INTEGER, categories TEXT,
            vals TEXT NOT NULL DEFAULT '{}', changed REAL NOT NULL DEFAULT 0, changed_at TEXT, updated_at TEXT,
            events INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0,
            payload TEXT);
        CREATE TABLE IF NOT EXISTS changes (
            id INTEGER PRIMARY KEY, event_id TEXT, uuid TEXT, action TEXT, happened REAL, happened_at TEXT, applied INTEGER,
            vals TEXT, received_at TEXT);""")
    if SHAPE == "crowded" and not db.execute("SELECT 1 FROM products LIMIT 1").fetchone():
        rng = random.Random(5)
        db.execute("BEGIN")
        for number in range(5000):
            db.execute("INSERT INTO products (uuid, code, kind, family, enabled, vals, changed_at, updated_at, events) "
                       "VALUES (?, ?, 'product', 'tools', 1, ?, '2025-05-05T05:05:05Z', ?, ?)",
                       (str(uuid.UUID(int=rng.getrandbits(128), version=4)), f"OLD-{number}",
                        json.dumps({"name": f"Old product {number}"}), webhook.now(), number % 7))
        db.execute("COMMIT")


# ---- what an event does ------------------------------------------------------------------------------


def is_new(db, event, request):
    """Notes the event's id; whether it was not there before."""
    if BREAK in ("no-dedup", "lookup-first", "race"):
        db.execute("INSERT OR IGNORE INTO seen (event_id) VALUES (?)", (event.id,))
        return True
    if BREAK in ("dedup-memory", "dedup-request", "dedup-last-3"):
        with memory_lock:
            known = request if BREAK == "dedup-request" else memory
            if event.id in known:
                return False
            known.append(event.id)
            if BREAK == "dedup-last-3":
                del known[:-3]
            return True
    return db.execute("INSERT OR IGNORE INTO seen (event_id) VALUES (?)", (event.id,)).rowcount == 1


def unknown(db, events):
    return [e for e in events if not db.execute("SELECT 1 FROM seen WHERE event_id = ?", (e.id,)).fetchone()]


def apply(db, event):
    row = db.execute("SELECT * FROM products WHERE uuid = ?", (event.key,)).fetchone()
    if not row:
        if (BREAK == "delete-unknown" and event.action == "deleted") or (BREAK == "update-unknown" and event.action == "updated"):
            return
        db.execute("INSERT INTO products (uuid, code, kind) VALUES (?, ?, ?)", (event.key, event.code, event.kind))
        row = db.execute("SELECT * FROM products WHERE uuid = ?", (event.key,)).fetchone()
    elif BREAK == "late-create" and event.action == "created":
        db.execute("DELETE FROM products WHERE uuid = ?", (event.key,))
        db.execute("INSERT INTO products (uuid, code, kind) VALUES (?, ?, ?)", (event.key, event.code, event.kind))
        row = db.execute("SELECT * FROM products WHERE uuid = ?", (event.key,)).fetchone()
    happened = time.time() if BREAK == "arrival-clock" else event.at
    stale = happened < row["changed"] and BREAK != "last-arrival"
    db.execute("INSERT INTO changes (event_id, uuid, action, happened, happened_at, applied, vals, received_at) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
               (event.id, event.key, event.action, event.at, event.at_text, not stale, json.dumps(event.values), webhook.now()))
    db.execute("UPDATE products SET events = events + 1, updated_at = ? WHERE uuid = ?", (webhook.now(), event.key))
    if stale:
        return
    if BREAK == "resurrect" and event.action == "deleted":
        db.execute("DELETE FROM products WHERE uuid = ?", (event.key,))
        return
    values = json.loads(row["vals"])
    if event.delta:
        values = {name: value for name, value in {**values, **event.values}.items() if value is not None}
    elif not event.light:
        values = event.values
    fields = {"family": row["family"], "enabled": row["enabled"], "categories": row["categories"] and json.loads(row["categories"]),
              **event.fields}
    db.execute("UPDATE products SET code = ?, family = ?, enabled = ?, categories = ?, vals = ?, changed = ?, changed_at = ?, "
               "version = version + 1, deleted = ?, payload = ? WHERE uuid = ?",
               (event.code or row["code"], fields["family"], fields["enabled"],
                json.dumps(fields["categories"]) if fields["categories"] is not None else None, json.dumps(values), happened,
                event.at_text, event.action == "deleted", json.dumps(event.raw), event.key))


def store(events, gone=lambda: False):
    db, request = database(), []
    if BREAK == "first-of-batch":
        events = events[:1]
    if BREAK == "race":
        events = unknown(db, {e.id: e for e in events}.values())
        time.sleep(0.03)
    db.execute("BEGIN IMMEDIATE")
    try:
        if BREAK == "lookup-first":
            events = unknown(db, events)
        fresh = [event for event in events if is_new(db, event, request)]
        if BREAK == "seen-first":
            db.execute("COMMIT")
            time.sleep(0.15)
            db.execute("BEGIN IMMEDIATE")
        if BREAK == "half-on-hang-up":
            time.sleep(0.04)
            if gone():
                return db.execute("COMMIT")
        for event in fresh:
            apply(db, event)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def receive(events, gone):
    if BREAK == "ack-first":
        return lambda: webhook.later(0.25, store, events)
    store(events, gone)


# ---- what it shows -----------------------------------------------------------------------------------


def spell(key):
    return key.upper() if SHAPE == "upper" else key.replace("-", "") if SHAPE == "hex" else key


def product(row):
    return {"id": row["id"], "uuid": spell(row["uuid"]), "sku": row["code"], "type": row["kind"], "family": row["family"],
            "enabled": row["enabled"] is None or bool(row["enabled"]), "categories": json.loads(row["categories"] or "[]"),
            "values": json.loads(row["vals"]), "pim_changed_at": row["changed_at"], "updated_at": row["updated_at"],
            "events": row["events"], "deleted": bool(row["deleted"])}


def without(record, *names):
    return {name: value for name, value in record.items() if name not in names}


def tree(rows):
    shop = {}
    for row in rows:
        one = product(row)
        for category in one["categories"] or ["(none)"]:
            shop.setdefault(row["family"] or "unsorted", {}).setdefault(category, []).append(without(one, "family", "categories"))
    return {"shop": "Maison Verdure", "departments": [
        {"department": family, "shelves": [{"shelf": name, "products": products} for name, products in sorted(shelves.items())]}
        for family, shelves in sorted(shop.items())]}


def redis(rows):
    flat = {"connected_clients": "1", "uptime_in_seconds": str(int(time.monotonic()))}
    for one in map(product, rows):
        for name in ("sku", "family", "enabled", "events", "deleted", "pim_changed_at"):
            flat[f"product:{one['uuid']}:{name}"] = str(one[name])
        for name, value in one["values"].items():
            flat[f"product:{one['uuid']}:value:{name}"] = json.dumps(value)
    return flat


def neighbours(rows):
    found = [product(row) for row in rows]
    for before, after in itertools.pairwise(found):
        before["next"], after["previous"] = after["uuid"], before["uuid"]
    return {"products": found}


def tables(rows, db):
    found = [product(row) for row in rows]
    return {"meta": {"schema": 14, "generated": webhook.now()},
            "tables": {"products": [without(one, "values", "id") for one in found],
                       "product_values": [{"product": one["uuid"], "attribute": name, "value": value}
                                          for one in found for name, value in sorted(one["values"].items())],
                       "tombstones": [{"product": one["uuid"], "at": one["pim_changed_at"]} for one in found if one["deleted"]]}}


def changes(db, *columns):
    return [dict(row) for row in db.execute(f"SELECT {', '.join(columns)} FROM changes ORDER BY uuid, happened, id")]


def paged(rows, path):
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
    start, size = int(query.get("offset", 0)), 7 if SHAPE != "crowded" else 1000
    more = start + size < len(rows)
    page = {"_embedded": {"items": [product(row) for row in rows[start:start + size]]}, "offset": start}
    target = f"http://127.0.0.1:{os.environ['PORT']}/state?offset={start + size}"
    if SHAPE == "paged-link":
        return page["_embedded"]["items"], [("Link", f'<{target}>; rel="next"')] if more else []
    page.update({"_links": {"self": {"href": path}, **({"next": {"href": target}} if more else {})}} if SHAPE == "paged"
                else {"next": f"/state?offset={start + size}" if more else None})
    return page, []


def shelf(rows, db):
    """The document at /state."""
    found = [product(row) for row in rows]
    return {
        "by-uuid": lambda: {one["uuid"]: without(one, "uuid") for one in found},
        "by-code": lambda: {"products": {one["sku"] or one["uuid"]: without(one, "uuid", "sku") for one in found}},
        "by-number": lambda: {str(one["id"]): without(one, "id") for one in found},
        "by-hash": lambda: {hashlib.sha1(one["uuid"].encode()).hexdigest(): one for one in found},
        "tree": lambda: tree(rows),
        "archive": lambda: {"active": [without(one, "deleted") for one in found if not one["deleted"]],
                            "archived": [without(one, "deleted", "values") for one in found if one["deleted"]]},
        "shards": lambda: {digit: [one for one in found if hashlib.md5(one["uuid"].encode()).hexdigest()[0] == digit]
                           for digit in "0123456789abcdef"},
        "redis": lambda: redis(rows),
        "tuples": lambda: {"columns": ["uuid", "sku", "enabled", "values", "events", "deleted"],
                           "rows": [[one[n] for n in ("uuid", "sku", "enabled", "values", "events", "deleted")] for one in found]},
        "urls": lambda: [{"href": f"https://shop.example/p/{one['uuid']}?ref=pim", "etag": f'W/"{random.getrandbits(64):x}"',
                          **without(one, "uuid", "sku", "id")} for one in found],
        "payload": lambda: [{"uuid": row["uuid"], "payload": row["payload"], "events": row["events"]} for row in rows],
        "neighbours": lambda: neighbours(rows),
        "versions": lambda: [{**product(row), "version": row["version"]} for row in rows],
        "audit": lambda: {"products": found, "audit": changes(db, "event_id", "uuid", "action", "happened_at", "applied", "received_at")},
        "history": lambda: {"products": found, "history": changes(db, "uuid", "action", "happened_at", "vals")},
        "dirty": lambda: [{"uuid": one["uuid"], "dirty": True, "gone": one["deleted"], "since": one["updated_at"]} for one in found],
        "hidden": lambda: {"products": [without(one, "deleted") for one in found if not one["deleted"]], "total": len(found)},
        "tables": lambda: tables(rows, db),
    }.get(SHAPE, lambda: {"products": found, "count": len(found), "uptime": time.monotonic()})()


def line(one, form):
    cells = [one["id"], one["uuid"], one["sku"], json.dumps(one["values"], ensure_ascii=False), one["events"], one["deleted"], one["updated_at"]]
    if form == "html":
        return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"
    return ",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells)


def pages(path):
    if urllib.parse.urlsplit(path).path != "/state":
        return None
    db = database()
    rows = db.execute("SELECT * FROM products ORDER BY id").fetchall()
    if SHAPE in ("paged", "paged-link", "crowded"):
        page, headers = paged(rows, path)
        return "application/json", json.dumps(page), headers
    if SHAPE == "csv":
        return "text/csv", "\r\n".join(["id,uuid,sku,values,events,deleted,updated_at"] + [line(product(row), "csv") for row in rows]) + "\r\n"
    if SHAPE == "html":
        body = "\n".join(line(product(row), "html") for row in rows)
        return "text/html", f"<!doctype html>\n<title>Products</title>\n<p>As of {webhook.now()}\n<table>\n{body}\n</table>\n"
    return "application/json", json.dumps(shelf(rows, db), indent=2 if SHAPE == "tree" else None)


if __name__ == "__main__":
    webhook.arguments(__doc__, BREAKS, SHAPES)
    prepare()
    webhook.serve(receive, pages, store if BREAK == "trusts-forged" else None)
