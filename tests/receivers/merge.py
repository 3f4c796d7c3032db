"""Merges values into a JSON file, each value with the time of the change that set it; no table of event ids, since a
change that is not newer than what is there does nothing. SHAPE=tidy shows the values alone; --cat: look at the file."""
import json
import os
import threading
import time

import webhook
from webhook import BREAK

BREAKS = {
    "last-arrival": "ignores the times",
    "create-clears": "a creation starts with an empty product",
    "no-tombstone": "a removal removes the product and its time",
    "save-every-second": "writes the file once a second",
    "append": "appends each value to a list, newest last, without looking whether it is there",
    "first-of-batch": "looks at events[0]",
    "trusts-forged": "merges before it verifies",
}
os.makedirs(webhook.DATA, exist_ok=True)
FILE = os.path.join(webhook.DATA, "merged.json")
lock, products = threading.Lock(), {}


def save():
    with open(FILE + ".new", "w") as file:
        file.write(json.dumps({"products": products}))
    os.replace(FILE + ".new", FILE)


def newer(entry, at):
    return entry is None or BREAK == "last-arrival" or at >= entry["at"]


def merge(event):
    one = products.setdefault(event.key, {"values": {}})
    if event.action == "created" and BREAK == "create-clears":
        one = products[event.key] = {"values": {}}
    if event.action == "deleted" and BREAK == "no-tombstone":
        products.pop(event.key)
        return
    if newer(one.get("life"), event.at):
        one["life"] = {"at": event.at, "state": "gone" if event.action == "deleted" else "alive"}
    for name, value in {**event.values, **event.fields}.items():
        entry = one["values"].get(name)
        if BREAK == "append":
            one["values"].setdefault(name, []).append(value)
        elif newer(entry, event.at):
            one["values"][name] = {"at": event.at, "value": value}


def store(events, gone=None):
    with lock:
        for event in events[:1] if BREAK == "first-of-batch" else events:
            merge(event)
        if BREAK != "save-every-second":
            save()


def tick():
    with lock:
        save()


def pages(path):
    with lock:
        if path == "/tidy":
            return "application/json", json.dumps({"data": {key: {"alive": one.get("life", {}).get("state"), **{
                name: entry if isinstance(entry, list) else entry["value"] for name, entry in one["values"].items()}} for key, one in products.items()}})
        return ("application/json", json.dumps(products)) if path == "/state" else None


if __name__ == "__main__":
    webhook.arguments(__doc__, BREAKS)
    if os.path.exists(FILE):
        with open(FILE) as file:
            products.update(json.load(file)["products"])
    if BREAK == "save-every-second":
        webhook.every(1, tick)
    webhook.serve(store, pages, store if BREAK == "trusts-forged" else None)
