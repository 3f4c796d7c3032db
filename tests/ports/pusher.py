"""Keeps next to nothing: each change is written to a shop (PIMSIM_SINK_URL), by a worker, one product after the other.

SHAPE: put (PUT /products/SKU, DELETE), bulk (POST /products/batch, a list with an `op`), patch (PATCH /products/SKU with
what changed, by the deltas where there are any)."""
import json
import os
import threading
import urllib.parse
import urllib.request

import wire
from wire import BREAK, SHAPE

BREAKS = {
    "light-as-full": "writes what the event holds",
    "sku-uuid": "PUT /products/UUID",
    "sku-none": "PUT /products/None",
    "delete-none": "DELETE /products/None, and the shop answers 200",
    "no-deletes": "has no case for `deleted`",
    "no-models": "asks AEP for products alone",
    "skus-late": "learns from AEP alone which uuid is which product",
    "no-stock": "the shop's record is made anew, without the weight",
    "own": "writes its own changes back",
    "previous": "writes the delta's `previous`",
    "slow-copy": "asks the PIM once when it starts work on a product, and never again",
    # no loss
    "twice": "writes everything twice",
    "adds-uuid": "sends the uuid along",
}
SHAPES = "put bulk patch".split()
SHOP, pim = os.environ.get("PIMSIM_SINK_URL", "").rstrip("/"), wire.Pim()
skus, copies, lock = {}, {}, threading.Lock()  # skus: of uuids


def call(method, path, body=None):
    for _ in range(2 if BREAK == "twice" else 1):
        data = None if body is None else json.dumps(body).encode()
        wire.DIRECT.open(urllib.request.Request(SHOP + path, data, {"Content-Type": "application/json"}, method=method), timeout=5).close()


def english(values, name):
    found = sorted(values.get(name, []), key=lambda one: (one["locale"] not in (None, "en_US"), one["scope"] or ""))
    return found[0]["data"] if found else None


def record(resource, of_aep):
    values = resource.get("values") or {}
    weight = english(values, "weight") or {}
    return {"title": english(values, "name"), **{f"price_{p['currency']}": p["amount"] for p in english(values, "price") or []},
            **({} if of_aep and BREAK == "no-stock" else {"weight": weight.get("amount"), "weight_unit": weight.get("unit")}),
            "visible": resource.get("enabled"), "shelves": resource.get("categories"), "family": resource.get("family"),
            **({"uuid": resource.get("uuid")} if of_aep and BREAK == "adds-uuid" else {})}


def write(sku, one):
    path = "/products/" + urllib.parse.quote(str(sku), safe="")
    if SHAPE == "bulk":
        call("POST", "/products/batch", {"products": [{"sku": sku, "op": "upsert" if one else "delete", **(one or {})}]})
    elif one is None:
        call("DELETE", path)
    else:
        call("PATCH" if SHAPE == "patch" else "PUT", path, one)


# ---- the Events API: as it always was, within the request


def old(event):
    resource = event["data"]["resource"]
    with lock:
        if resource.get("uuid") and BREAK != "skus-late":
            skus[resource["uuid"]] = resource["identifier"]
        write(resource.get("identifier") or resource["code"], None if event["action"].endswith(".removed") else record(resource, False))


# ---- the Event Platform


def aep(event):
    kind, _, action = event["type"].removeprefix("com.akeneo.pim.v1.").replace("product-model", "product_model").partition(".")
    if kind not in ("product", "product_model") or (kind == "product_model" and BREAK == "no-models"):
        return
    if (event["data"].get("author") or {}).get("identifier") != wire.CLIENT or BREAK == "own":
        worker.put((kind, action, event["data"][kind]))


def work(batch):
    for kind, action, entity in batch:
        with lock:
            apply(kind, action, entity)


def apply(kind, action, entity):
    key = entity.get("uuid") or entity["code"]
    if action == "deleted":
        if BREAK != "no-deletes":
            write(entity.get("identifier") or entity.get("code") if BREAK == "delete-none" else skus.get(key, key), None)
        return
    if action == "updated.delta":
        if SHAPE == "patch" and key in skus:
            write(skus[key], changed(entity["changes"]))
        return
    if BREAK == "light-as-full":
        resource = entity
    elif BREAK == "slow-copy":
        resource = copies[key] = copies.get(key) or pim.one(kind, key)
    else:
        resource = pim.one(kind, key)
    if resource:
        skus[key] = {"sku-uuid": key, "sku-none": entity.get("identifier") or entity.get("code")}.get(
            BREAK, resource.get("identifier") or resource.get("code") or key)
        write(skus[key], record(resource, True))


def changed(changes):
    """The members of a shop's record that a delta changes."""
    member, found, values = "previous" if BREAK == "previous" else "new", {}, changes.get("values", {})
    for change in values.get("name", []):
        if change["locale"] in (None, "en_US"):
            found["title"] = change[member]
    for change in values.get("price", []):
        price = change[member] or {**change["previous"], "amount": None}
        found[f"price_{price['currency']}"] = price["amount"]
    for change in values.get("weight", []):
        weight = change[member] or {"data": None, "unit": None}
        found |= {"weight": weight["data"], "weight_unit": weight["unit"]}
    for field, name in (("enabled", "visible"), ("family", "family")):
        if field in changes:
            found[name] = changes[field][member]
    return found


if __name__ == "__main__":
    wire.arguments(__doc__, BREAKS, SHAPES)
    worker = wire.Worker(0.05, work)
    wire.serve(old, aep, lambda: json.dumps(skus))
