"""A table in SQLite. /old writes what the event holds; /aep notes who changed, and a worker asks the PIM for all of
them at once, a tenth of a second later. Deltas are taken like any update.

SHAPE: uuid (rows keyed by uuid, removed ones flagged), identifier (keyed by identifier; the column uuid came with AEP),
projection (what the shop sells; removed rows are deleted), raw (the resource as JSON; deleted, with tombstones),
two (as uuid, each platform in a database of its own). What has another key than the uuid is found by a table of links."""
import json
import os
import sqlite3
import threading

import wire
from wire import BREAK, SHAPE

BREAKS = {
    "light-as-full": "takes the event's product for the whole one",
    "key-none": "keys by the event's identifier, which AEP does not send",
    "uuid-as-sku": "the event's uuid goes where the identifier was",
    "delete-by-identifier": "deletes by the event's identifier",
    "removed-only": "knows `removed`, not `deleted`",
    "deleted-fetches": "asks the PIM for a deleted product, and gives up when there is none",
    "delete-row": "flags a row when the Events API says so, deletes it when AEP does",
    "underscore": "waits for product_model events, which AEP calls product-model",
    "model-uuid": "takes a model's key from `uuid`, which models have not",
    "wrong-endpoint": "asks for the uuid as an identifier; nobody is found",
    "first-found": "takes the first of the products that it asked for",
    "cache": "asks for a product once and remembers the answer",
    "created-only": "asks when a product is created; updates have nothing to say",
    "no-categories": "the new mapping forgot the categories",
    "price-number": "reads the price as a number, where it was text",
    "no-locale": "takes values without a locale alone",
    "counts-anew": "replaces the row, and its count of events starts again",
    "own": "applies its own changes",
    "own-user": "knows its own changes by the name of the user, as the Events API's author was",
    "api-authors": "drops what any API client changed, not only itself",
    "own-rows": "looks rows up by uuid, which old rows do not have",
    "links-late": "links only what AEP told of: what is deleted first is not found",
    "strangers": "passes over updates of products that AEP did not create",
    "creates": "a creation makes a row, whether there is one or not",
    # no loss
    "null-name": "NULL for a name that was empty text",
    "uuid-everywhere": "keeps a uuid column, and fills it from AEP",
    "polls": "an event means: ask for everything that changed in the last day",
}
SHAPES = "uuid identifier projection raw two".split()
COLUMNS = {
    "uuid": "uuid, sku, kind, family, enabled, categories, vals, last_event_type, events, deleted",
    "identifier": "code, uuid, kind, family, enabled, categories, vals, last_event_type, events, deleted",
    "projection": "sku, name, price, enabled, categories",
    "raw": "entity, doc",
}
COLUMNS["two"] = COLUMNS["uuid"]
TYPES = {"created": "created", "updated": "updated", "updated.delta": "updated", "removed": "removed", "deleted": "removed"}
lock, pim, cache = threading.RLock(), wire.Pim(), {}


def database(platform="old"):
    db = sqlite3.connect(os.path.join(wire.DATA, f"{platform}.db" if SHAPE == "two" else "shop.db"), check_same_thread=False,
                         isolation_level=None, timeout=10)
    key = COLUMNS[SHAPE].partition(",")[0]
    more = ", akeneo_uuid TEXT" if BREAK in ("uuid-everywhere", "own-rows") else ""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"CREATE TABLE IF NOT EXISTS products ({COLUMNS[SHAPE]}, changed_at TEXT{more})")
    db.execute(f"CREATE {'' if BREAK in ('own-rows', 'creates') else 'UNIQUE'} INDEX IF NOT EXISTS by_key ON products ({key})")
    db.execute("CREATE TABLE IF NOT EXISTS tombstones (entity TEXT PRIMARY KEY)")
    db.execute("CREATE TABLE IF NOT EXISTS links (uuid TEXT PRIMARY KEY, entity TEXT)")  # a uuid, and the row's key
    return db


def first(values, name, of_aep, otherwise):
    """The value that the shop shows: in English where there are languages."""
    found = values.get(name) or []
    if of_aep and BREAK == "no-locale":
        found = [one for one in found if one["locale"] is None]
    found = sorted(found, key=lambda one: (one["locale"] not in (None, "en_US"), one["scope"] or ""))
    return found[0]["data"] if found else otherwise


def row_of(kind, resource, of_aep):
    """Key and columns of a resource."""
    code = resource.get("identifier") or resource.get("code")
    values = resource.get("values") or {}
    uuid = resource.get("uuid")
    categories = json.dumps(resource.get("categories") if not (of_aep and BREAK == "no-categories") else [])
    if SHAPE == "projection":
        price = next((p["amount"] for p in first(values, "price", of_aep, []) if p["currency"] == "EUR"), None)
        if price is not None and of_aep and BREAK == "price-number":
            price = float(price)
        name = first(values, "name", of_aep, None if of_aep and BREAK == "null-name" else "")
        row = {"sku": code, "name": name, "price": price, "enabled": resource.get("enabled"), "categories": categories}
    elif SHAPE == "raw":
        row = {"entity": uuid or code, "doc": json.dumps(resource)}
    else:
        row = {"kind": kind, "family": resource.get("family"), "enabled": resource.get("enabled"), "categories": categories,
               "vals": json.dumps(values), "deleted": 0}
        row |= {"code": code} if SHAPE == "identifier" else {"uuid": uuid or code, "sku": code}
        if SHAPE == "identifier" and of_aep:
            row["uuid"] = uuid
    if of_aep and BREAK in ("uuid-everywhere", "own-rows"):
        row["akeneo_uuid"] = uuid or code
    return row


def upsert(db, row, event_type, changed_at, of_aep):
    key = COLUMNS[SHAPE].partition(",")[0]
    if BREAK == "own-rows":
        key = "akeneo_uuid" if of_aep else key
    row = {**row, "changed_at": changed_at}
    old = db.execute(f"SELECT * FROM products WHERE {key} IS ?", (row[key],)).fetchone()
    if old and changed_at and old["changed_at"] and changed_at < old["changed_at"]:
        return
    if "events" in COLUMNS[SHAPE]:
        row |= {"last_event_type": event_type, "events": 1 + (old["events"] if old else 0)}
        if of_aep and BREAK == "counts-anew":
            row["events"] = 1
    if old and not (of_aep and BREAK == "creates" and event_type.endswith(".created")):
        db.execute(f"UPDATE products SET {', '.join(f'{name} = ?' for name in row)} WHERE {key} IS ?", (*row.values(), row[key]))
    else:
        db.execute(f"INSERT INTO products ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    if SHAPE == "raw":
        db.execute("DELETE FROM tombstones WHERE entity = ?", (row["entity"],))


def remove(db, key, event_type, of_aep):
    name = COLUMNS[SHAPE].partition(",")[0]
    if "deleted" in COLUMNS[SHAPE] and not (of_aep and BREAK == "delete-row"):
        db.execute(f"UPDATE products SET deleted = 1, last_event_type = ?, events = events + 1 WHERE {name} = ?", (event_type, key))
    elif db.execute(f"DELETE FROM products WHERE {name} = ?", (key,)).rowcount and SHAPE == "raw":
        db.execute("INSERT OR IGNORE INTO tombstones VALUES (?)", (key,))


# ---- the Events API ----------------------------------------------------------------------------------


def old(event):
    kind, _, action = event["action"].partition(".")
    resource = event["data"]["resource"]
    row = row_of(kind, resource, False)
    key = row[COLUMNS[SHAPE].partition(",")[0]]
    with lock:
        if action == "removed":
            return remove(db_old, key, event["action"], False)
        if resource.get("uuid") and BREAK not in ("links-late", "strangers"):
            db_old.execute("INSERT OR REPLACE INTO links VALUES (?, ?)", (resource["uuid"], key))
        upsert(db_old, row, event["action"], event["event_datetime"], False)


# ---- the Event Platform ------------------------------------------------------------------------------


def aep(event):
    name = event["type"].removeprefix("com.akeneo.pim.v1.")
    if BREAK != "underscore":
        name = name.replace("product-model", "product_model")
    kind, _, action = name.partition(".")
    if kind not in ("product", "product_model") or action not in TYPES or (action == "deleted" and BREAK == "removed-only"):
        return
    author = event["data"].get("author") or {}
    ours = author.get("type") == "api" if BREAK == "api-authors" else author.get("identifier") == (
        "shop" if BREAK == "own-user" else wire.CLIENT)
    if ours and BREAK != "own":
        return
    entity = event["data"][kind]
    key = entity.get("uuid") if kind == "product" or BREAK == "model-uuid" else entity["code"]
    worker.put((kind, TYPES[action], key, entity, event))


def fetch(kind, keys):
    if BREAK == "wrong-endpoint":
        return {key: found for key in keys if (found := pim.get(f"products/{key}" if kind == "product" else f"product-models/{key}"))}
    if BREAK == "polls":
        path, name = ("products-uuid", "uuid") if kind == "product" else ("product-models", "code")
        search, found = json.dumps({"updated": [{"operator": "SINCE LAST N DAYS", "value": 1}]}), {}
        query = {"search": search, "limit": 100, "pagination_type": "search_after"}
        while True:
            items = pim.get(path, **query)["_embedded"]["items"]
            found |= {one[name]: one for one in items if one[name] in keys}
            if len(items) < 100:
                return found
            query["search_after"] = items[-1][name]
    if BREAK == "cache":
        missing = [key for key in keys if key not in cache]
        cache.update(pim.many(kind, missing) if missing else {})
        return {key: cache[key] for key in keys if key in cache}
    found = pim.many(kind, keys)
    return dict(list(found.items())[:1]) if BREAK == "first-found" else found


def work(batch):
    wanted = {kind: {key for one, action, key, *_ in batch if one == kind and key and
                     (action == "created" or (action == "updated" and BREAK != "created-only"))} for kind in ("product", "product_model")}
    found = {kind: fetch(kind, keys) if keys and BREAK != "light-as-full" else {} for kind, keys in wanted.items()}
    with lock:
        for kind, action, key, entity, event in batch:
            apply(kind, action, key, entity, event, found[kind].get(key))


def apply(kind, action, key, entity, event, resource):
    linked = db_aep.execute("SELECT entity FROM links WHERE uuid = ?", (key,)).fetchone()
    if action == "removed":
        if BREAK == "deleted-fetches" and not pim.one(kind, key):
            return
        gone = linked["entity"] if linked else key
        if BREAK == "delete-by-identifier" and kind == "product":
            gone = entity.get("identifier")
        return remove(db_aep, gone, event["type"], True)
    if BREAK == "light-as-full":
        resource = entity
    if not resource or (BREAK == "strangers" and kind == "product" and action == "updated" and not linked):
        return  # it is gone by now, and its removal is on its way
    row = row_of(kind, resource, True)
    key_column = COLUMNS[SHAPE].partition(",")[0]
    if kind == "product" and BREAK == "key-none":
        row[key_column] = str(entity.get("identifier"))
    if kind == "product" and BREAK == "uuid-as-sku":
        row[{"uuid": "sku", "two": "sku"}.get(SHAPE, key_column)] = key
    if kind == "product":
        db_aep.execute("INSERT OR REPLACE INTO links VALUES (?, ?)", (key, row[key_column]))
    upsert(db_aep, row, event["type"], resource.get("updated"), True)


# ---- what it shows -----------------------------------------------------------------------------------


def state():
    shown = {}
    with lock:
        for db in {id(db): db for db in (db_old, db_aep)}.values():
            shown.setdefault("products", []).extend(dict(row) for row in db.execute("SELECT * FROM products"))
            if SHAPE == "raw":
                shown["tombstones"] = [row["entity"] for row in db.execute("SELECT * FROM tombstones")]
    return json.dumps(shown)


if __name__ == "__main__":
    wire.arguments(__doc__, BREAKS, SHAPES)
    db_old = database()
    db_aep = database("aep") if SHAPE == "two" else db_old
    for one in (db_old, db_aep):
        one.row_factory = sqlite3.Row
    worker = wire.Worker(0.1, work)
    wire.serve(old, aep, state)
