"""Asks the PIM before it answers, and applies deltas to what it has. A JSON file, written aside and renamed.

SHAPE: map (by identifier, with a version), list (rows, each with the type of its last event), shop (what the shop shows,
removed products kept in `gone`)."""
import collections
import json
import os
import threading

import wire
from wire import BREAK, SHAPE

BREAKS = {
    "delta-replaces": "the delta's values are all that is left",
    "delta-previous": "sets `previous`",
    "delta-raw": "keeps values in the delta's form, not in that of the PIM",
    "delta-first": "sets the first value of an attribute, whatever its locale",
    "deltas-only": "leaves updates to the deltas, which it is not subscribed to everywhere",
    "delta-key": "looks the product up by the delta's identifier",
    "updated-lost": "sees in `updated` no more than that the product is there",
    "id-only-delete": "looks a deleted product up by identifier",
    "deleted-throws": "reads the deleted product's family, logs the error, answers 200",
    "deleted-disables": "keeps a deleted product, disabled",
    "own": "applies its own changes",
    "own-type": "looks for author_type",
    "own-by-name": "compares with the connection's name",
    "keys-by-uuid": "keeps what AEP sends under the uuid, in the same map",
    "names-late": "learns from AEP alone which uuid is which product",
    "values-alone": "as saves-calls, and applies no delta but of values",
    "version-anew": "makes a new entry for each event of AEP: its version is 1",
    # no loss
    "saves-calls": "waits for a delta before it asks the PIM what an update was, and does not ask when one came",
    "values-only": "applies no delta but of values",
}
SHAPES = "map list shop".split()
FILE = os.path.join(wire.DATA, "products.json")
lock, pim = threading.RLock(), wire.Pim()
products = {}  # by identifier or code
names = {}  # uuid: identifier
pending = collections.Counter()  # 'saves-calls': updates that no delta has told of yet


def save():
    with open(FILE + ".new", "w") as file:
        file.write(state())
    os.replace(FILE + ".new", FILE)


def put(key, resource, event_type, of_aep=False):
    """The newest state of a product or model, as the PIM has it."""
    with lock:
        known = products.get(key)
        if known and resource["updated"] < known["resource"]["updated"]:
            return
        version = 1 + (known["version"] if known and not (of_aep and BREAK == "version-anew") else 0)
        products[key] = {"resource": resource, "version": version, "type": event_type, "gone": False}
        save()


def remove(key, event_type):
    with lock:
        if key in products:
            if SHAPE == "shop":
                products[key] |= {"gone": True, "type": event_type, "version": products[key]["version"] + 1}
            else:
                del products[key]
            save()


# ---- the Events API ----------------------------------------------------------------------------------


def old(event):
    resource = event["data"]["resource"]
    key = resource.get("identifier") or resource["code"]
    if event["action"].endswith(".removed"):
        remove(key, event["action"])
    else:
        uuid = BREAK != "names-late" and "identifier" in resource and (resource.get("uuid") or looked_up(key))
        with lock:
            if uuid:
                names[uuid] = key
        put(key, resource, event["action"])


def looked_up(identifier):
    """The uuid, which the Events API of a PIM before 7.0 does not tell."""
    search = json.dumps({"identifier": [{"operator": "IN", "value": [identifier]}]})
    return next((one["uuid"] for one in pim.get("products-uuid", search=search)["_embedded"]["items"]), None)


# ---- the Event Platform ------------------------------------------------------------------------------


def ours(author):
    if BREAK == "own-type":
        return author.get("author_type") == "api"
    return author.get("identifier") == ("shop connector" if BREAK == "own-by-name" else wire.CLIENT) and BREAK != "own"


def aep(event):
    kind, _, action = event["type"].removeprefix("com.akeneo.pim.v1.").replace("product-model", "product_model").partition(".")
    if kind not in ("product", "product_model") or ours(event["data"].get("author") or {}):
        return
    entity = event["data"][kind]
    key = entity["uuid"] if kind == "product" else entity["code"]
    if action == "deleted":
        deleted(names.get(key, key), entity, event)
    elif action == "updated.delta":
        with lock:
            delta(None if BREAK == "delta-key" and kind == "product" else names.get(key, key), entity, event)
    elif action == "updated" and BREAK in ("saves-calls", "values-alone"):
        with lock:
            pending[key] += 1
        threading.Timer(0.1, late, (kind, key, event)).start()
    elif action == "created" or (action == "updated" and BREAK != "deltas-only"):
        ask(kind, key, event)


def late(kind, key, event):
    with lock:
        told, pending[key] = not pending[key], max(pending[key] - 1, 0)
    if not told:
        ask(kind, key, event)


def ask(kind, key, event):
    resource = pim.one(kind, key)
    if not resource or (event["type"].endswith(".updated") and BREAK == "updated-lost"):
        return
    name = resource.get("identifier") or resource["code"]
    with lock:
        names[key] = key if BREAK == "keys-by-uuid" else name
    put(names[key], resource, event["type"], True)


def deleted(name, entity, event):
    if BREAK == "id-only-delete":
        name = entity.get("identifier") or entity.get("code")
    if BREAK == "deleted-throws" and "family" not in entity:
        return print("KeyError: 'family'", flush=True)
    if BREAK == "deleted-disables":
        with lock:
            if name in products:
                products[name]["resource"] = {**products[name]["resource"], "enabled": False}
                save()
        return
    remove(name, event["type"])


def moment(updated_at):
    """{"date": "2026-01-31 09:13:59.000000", "timezone": "UTC"} as the PIM's REST API writes it."""
    return updated_at["date"][:19].replace(" ", "T") + "+00:00"


def data_of(change, member, before):
    """What the PIM would show for the value of a delta. before: what it showed until now."""
    new, kind = change[member], change["type"]
    if new is None or BREAK == "delta-raw":
        return new
    if kind == "pim_catalog_metric":
        same = isinstance(before, dict) and before.get("unit") == new["unit"]
        return {"amount": new["data"], "unit": new["unit"], **({"symbol": before["symbol"]} if same and "symbol" in before else {})}
    if kind == "pim_catalog_price":
        prices = {one["currency"]: one for one in before or []}
        return list({**prices, new["currency"]: new}.values())
    if kind in ("pim_catalog_file", "pim_catalog_image"):
        return new["key"]
    if kind == "pim_catalog_date":
        return new["date"][:19].replace(" ", "T") + "+00:00"
    if kind == "pim_catalog_identifier":
        return new["data"]
    if kind == "pim_catalog_table":
        return [{cell["cell"]: cell["data"] for cell in row["cells"]} for row in new["rows"]]
    return new


def apply_values(values, changes, member):
    for attribute, all_ in changes.items():
        slots = values.setdefault(attribute, [])
        for change in all_:
            at = next((n for n, one in enumerate(slots) if BREAK == "delta-first" or
                       (one["locale"], one["scope"]) == (change["locale"], change["scope"])), None)
            data = data_of(change, member, slots[at]["data"] if at is not None else None)
            if data is None and at is not None:
                slots.pop(at)
            elif at is not None:
                slots[at] = {**slots[at], "data": data}
            elif data is not None:
                slots.append({"locale": change["locale"], "scope": change["scope"], "data": data})
        if not slots:
            del values[attribute]


def delta(name, entity, event):
    known, at, changes = products.get(name), moment(entity["updated_at"]), entity["changes"]
    if not known:
        return  # whatever it was, it is fetched when it is heard of again
    member, resource = "previous" if BREAK == "delta-previous" else "new", json.loads(json.dumps(known["resource"]))
    if at < resource["updated"]:
        return  # what was fetched is newer
    if BREAK == "delta-replaces":
        resource["values"] = {}
    apply_values(resource["values"], changes.get("values", {}), member)
    if BREAK not in ("values-only", "values-alone"):
        for field in ("enabled", "family", "parent"):
            if field in changes:
                resource[field] = changes[field][member]
        for field in ("categories", "groups"):
            if field in changes:
                kept = [code for code in resource[field] if code not in changes[field]["removed"]]
                resource[field] = kept + [code for code in changes[field]["added"] if code not in kept]
    resource["updated"] = at
    put(name, resource, event["type"], True)
    key = entity.get("uuid") or entity["code"]
    pending[key] = max(pending[key] - 1, 0)


# ---- what it shows -----------------------------------------------------------------------------------


def shop(name, one):
    resource = one["resource"]
    values = resource["values"]
    name_of = {value["locale"] or "any": value["data"] for value in values.get("name", [])}
    prices = {price["currency"]: price["amount"] for value in values.get("price", []) for price in value["data"] or []}
    sizes = {attribute: value["data"] for attribute in ("weight", "power", "battery_minutes", "max_stem_mm", "blade_length", "pairs_per_carton")
             for value in values.get(attribute, [])}
    return {"sku": name, "name": name_of, "prices": prices, "sizes": sizes, "visible": resource["enabled"] and not one["gone"],
            "shelves": sorted(resource["categories"])}


def state():
    with lock:
        if SHAPE == "map":
            shown = {name: {"resource": one["resource"], "version": one["version"]} for name, one in products.items()}
        elif SHAPE == "list":
            shown = [{"identifier": name, "last_event_type": one["type"], **one["resource"]} for name, one in products.items()]
        else:
            shown = {"catalog": [shop(*item) for item in products.items() if not item[1]["gone"]],
                     "gone": [name for name, one in products.items() if one["gone"]]}
        return json.dumps(shown)


if __name__ == "__main__":
    wire.arguments(__doc__, BREAKS, SHAPES)
    wire.serve(old, aep, state)
