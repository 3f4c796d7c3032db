"""Receiver x shape x break, and the rules that must, and may, fail. See README.md.

    PIMSIM=build/pimsim JOBS=4 python3 tests/receivers/table.py [WORD...]

plays each case whose name has one of the words in it (or all), and prints what came.

A row is (file, shapes, break, must, may, more): one case for each shape and platform. `must`: each of these fails.
`may`: these may fail as well, since they are about the same thing. No other MUST rule does."""
import collections
import itertools
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import playing  # noqa: E402

PLATFORMS = ("aep", "events-api")
SIG = "sig/missing sig/other-secret sig/odd sig/tampered sig/stale"
CRASH = ("durable/ack", "idem/restart")  # found by the suite `crash` alone
SHOP = "sqlite3 {data}/shop.db"

# How the state is looked at: {base} is the connector's URL, {data} its folder. By default, /state.
LOOKS = {
    ("ledger.py", "stock"): ["--state-url", "{base}/stock"],
    ("ledger.py", "mails"): ["--state-url", "{base}/mails"],
    ("ledger.py", "projection"): ["--state-url", "{base}/projection"],
    ("ledger.py", "counts"): ["--state-url", "{base}/counts"],
    ("merge.py", "tidy"): ["--state-url", "{base}/tidy"],
    ("merge.py", "cat"): ["--state-cmd", "cat {data}/merged.json"],
    ("journal.js", "cat"): ["--state-cmd", "cat {data}/journal.ndjson"],
    ("shop.py", "cmd-json"): ["--state-cmd", SHOP + " -json 'SELECT * FROM products'"],
    ("shop.py", "cmd-pipes"): ["--state-cmd", SHOP + " 'SELECT uuid, vals, events, deleted, updated_at FROM products'"],
    ("shop.py", "cmd-csv"): ["--state-cmd", SHOP + " -csv -header 'SELECT * FROM products ORDER BY code'"],
    ("shop.py", "cmd-dump"): ["--state-cmd", SHOP + " .dump"],
    ("shop.py", "two-places"): ["--state-url", "{base}/state", "--state-cmd", SHOP + " -json 'SELECT uuid, deleted FROM products'"],
    ("files.php", "cat"): ["--state-cmd", "for file in {data}/products/*.json; do cat $file; echo; done"],
}
SINK = {"put", "patch", "post", "bulk", "stock", "sync"}  # pusher.py's, but for `table`
SETS = {"post": ["--sink-sets", "POST /api/products"], "bulk": ["--sink-sets", "POST /api/products/batch"]}
OURS = {"cmd-json", "cmd-pipes", "cmd-csv", "cmd-dump", "two-places", "tidy", "cat"}  # not the receiver's, only LOOKS'

SHOP_SHAPES = ("rows by-uuid by-code by-number by-hash tree archive shards redis tuples html csv upper hex urls paged "
               "paged-link crowded payload neighbours versions audit history dirty hidden tables "
               "cmd-json cmd-pipes cmd-csv cmd-dump two-places").split()
STORE_SHAPES = "map joined joined-upper links csv lines ndjson categories counters envelope nested-json".split()
FILES_SHAPES = "list map csv pipe sku export cat".split()

SOUND = [("shop.py", SHOP_SHAPES), ("ledger.py", "stock mails projection counts".split()), ("merge.py", ["", "tidy", "cat"]),
         ("pusher.py", "put patch post bulk stock sync table".split()), ("store.js", STORE_SHAPES), ("journal.js", ["", "cat"]),
         ("files.php", FILES_SHAPES)]
# A crash between the call to the shop and the note of it: nobody can add exactly once.
ADDS = {("pusher.py", "stock")}
# What such a state cannot show, in categories: it has an entry for each event, or each row names others'.
BLIND = {("ledger.py", "mails"): {"order"}, ("pusher.py", "stock"): {"order"}, ("shop.py", "cmd-dump"): {"order"},
         ("journal.js", "cat"): {"idem", "order", "durable"}, ("shop.py", "neighbours"): {"idem", "order", "durable"}}

BROKEN = [
    # what comes twice
    ("shop.py", "rows tree crowded csv redis payload cmd-dump", "no-dedup", "idem/state", ""),
    ("shop.py", "by-uuid tuples html tables cmd-pipes", "dedup-request", "idem/state", ""),
    ("shop.py", "upper paged audit", "dedup-last-3", "idem/state", ""),
    ("shop.py", "hex by-code history", "lookup-first", "idem/batch", ""),
    ("shop.py", "rows shards urls cmd-json", "race", "idem/overlap", ""),
    ("shop.py", "archive by-hash paged-link", "dedup-memory", "idem/restart", ""),
    ("shop.py", "by-number crowded hidden", "seen-first", "idem/restart", ""),
    ("shop.py", "rows two-places", "half-on-hang-up", "idem/lost-ack", ""),
    ("ledger.py", "stock mails projection counts", "no-dedup", "idem/state", ""),
    ("ledger.py", "stock counts", "dedup-memory", "idem/restart", ""),
    ("ledger.py", "mails projection", "dedup-age", "idem/state", ""),
    ("ledger.py", "stock mails", "race", "idem/overlap", ""),
    ("merge.py", "tidy", "append", "idem/state", "order/stale order/late-create order/delete"),
    ("pusher.py", "stock", "no-dedup", "idem/state", ""),
    ("pusher.py", "stock", "race", "idem/overlap", ""),
    ("store.js", "counters links lines nested-json", "no-dedup", "idem/state", ""),
    ("store.js", "csv map", "dedup-memory", "idem/restart", ""),
    ("store.js", "ndjson categories", "race", "idem/overlap", ""),
    ("store.js", "joined envelope", "id-first", "idem/restart", ""),
    ("store.js", "joined-upper counters", "abort-on-close", "idem/lost-ack", ""),
    ("journal.js", [""], "no-dedup", "idem/state", ""),
    ("journal.js", [""], "dedup-memory", "idem/restart", ""),
    ("files.php", "list csv pipe export cat", "no-dedup", "idem/state", ""),
    ("files.php", "sku map", "race", "idem/overlap", ""),
    ("files.php", "list", "id-first", "idem/restart", ""),
    # what comes late
    ("shop.py", "rows tree html redis versions two-places", "last-arrival", "order/stale", ""),
    ("shop.py", "by-hash cmd-csv payload", "arrival-clock", "order/stale", ""),
    ("shop.py", "hidden archive dirty tables crowded", "resurrect", "order/delete", ""),
    ("shop.py", "by-uuid shards tuples", "late-create", "order/late-create", ""),
    ("shop.py", "rows upper", "update-unknown", "order/late-create", "order/stale"),
    ("shop.py", "rows hidden", "delete-unknown", "order/delete", ""),
    ("store.js", "map", "delete-unknown", "order/delete", ""),
    ("files.php", "list", "delete-unknown", "order/delete", ""),
    ("ledger.py", "projection", "last-arrival", "order/stale", ""),
    ("merge.py", ["", "tidy", "cat"], "last-arrival", "order/stale", "idem/state"),  # has no ids: a late copy is a late event
    ("merge.py", ["tidy"], "create-clears", "order/late-create", "idem/state"),
    ("merge.py", ["tidy"], "no-tombstone", "order/delete", ""),
    ("pusher.py", "put patch bulk sync table", "last-arrival", "order/stale", ""),
    ("pusher.py", "put sync table", "resurrect", "order/delete", ""),
    ("store.js", "joined nested-json links", "last-arrival", "order/stale", ""),
    ("store.js", "map joined-upper", "resurrect", "order/delete", ""),
    ("store.js", "lines envelope", "late-create", "order/late-create", ""),
    ("journal.js", [""], "last-arrival", "order/stale", ""),
    ("files.php", "pipe export", "last-arrival", "order/stale", ""),
    ("files.php", "map csv", "resurrect", "order/delete", ""),
    ("files.php", "sku cat", "late-create", "order/late-create", ""),
    # what is acknowledged
    ("shop.py", "rows hex", "ack-first", "durable/ack", ""),
    ("shop.py", "tuples cmd-json", "memory-only", "durable/ack", "idem/restart"),
    ("ledger.py", "projection mails", "buffered", "durable/ack", ""),
    ("ledger.py", "counts", "memory-only", "durable/ack", "idem/restart"),
    ("merge.py", ["", "tidy"], "save-every-second", "durable/ack", ""),
    ("pusher.py", "table put", "ack-first", "durable/ack", ""),
    ("pusher.py", "table bulk", "memory-queue", "durable/ack", ""),
    ("pusher.py", "table put", "claimed", "durable/ack", ""),
    ("store.js", "map links", "ack-first", "durable/ack", ""),
    ("store.js", "ndjson", "never-saves", "durable/ack", "idem/restart"),
    ("journal.js", [""], "buffered", "durable/ack", ""),
    ("journal.js", [""], "truncates", "durable/ack", "idem/restart"),
    ("files.php", "list pipe", "ack-first", "durable/ack", ""),
    ("files.php", "cat", "tmp", "durable/ack", "idem/restart"),
    # full requests, and who may speak
    ("shop.py", "rows cmd-dump", "first-of-batch", "form/batch", ""),
    ("ledger.py", "counts", "first-of-batch", "form/batch", ""),
    ("merge.py", [""], "first-of-batch", "form/batch", ""),
    ("pusher.py", "put table", "first-of-batch", "form/batch", ""),
    ("store.js", "joined", "first-of-batch", "form/batch", ""),
    ("journal.js", [""], "first-of-batch", "form/batch", ""),
    ("files.php", "sku", "first-of-batch", "form/batch", ""),
    ("shop.py", "rows csv", "trusts-forged", "sig/forged", SIG),
    ("ledger.py", "stock", "trusts-forged", "sig/forged", SIG),
    ("merge.py", ["tidy"], "trusts-forged", "sig/forged", SIG),
    ("pusher.py", "put", "trusts-forged", "sig/forged", SIG),
    ("store.js", "links", "trusts-forged", "sig/forged", SIG),
    ("journal.js", [""], "trusts-forged", "sig/forged", SIG),
    ("files.php", "csv", "trusts-forged", "sig/forged", SIG),
]
ONE_EVENT_A_REQUEST = {"form/batch", "idem/batch"}  # not there on AEP

Case = collections.namedtuple("Case", "file shape breaks platform must may")


def cases():
    for file, shapes in SOUND:
        for shape, platform in itertools.product(shapes, PLATFORMS):
            yield Case(file, shape, "", platform, set(), set())
    for file, shapes, name, must, may in BROKEN:
        for shape, platform in itertools.product(shapes.split() if isinstance(shapes, str) else shapes, PLATFORMS):
            if platform == "aep" and must in ONE_EVENT_A_REQUEST:
                continue
            yield Case(file, shape, name, platform, {must}, set(may.split()))


def name(case):
    return "-".join(filter(None, [case.file.split(".")[0], case.shape, case.breaks or "sound", case.platform]))


def command(file, port):
    """The receiver as --exec starts it."""
    path = HERE / file
    if file.endswith(".php"):
        return f"exec php -d display_errors=0 -S 127.0.0.1:{port} {path}"
    return f"exec {sys.executable if file.endswith('.py') else 'node'} {path}"


def environment(case, port, data, sink):
    shape = "" if case.shape in OURS else case.shape
    return {"PORT": str(port), "SECRET": "s3cret", "DATA": str(data), "BREAK": case.breaks, "SHOP": f"http://127.0.0.1:{sink}",
            "PHP_CLI_SERVER_WORKERS": "4", **({"SHAPE": shape} if shape else {})}


def look(case, port, data, sink):
    """The options that say where its state is."""
    if case.file == "pusher.py" and case.shape in SINK:
        return ["--sink", str(sink), *SETS.get(case.shape, [])]
    found = LOOKS.get((case.file, case.shape), ["--state-url", "{base}/state"])
    return [part.format(base=f"http://127.0.0.1:{port}", data=data) if "{" in part else part for part in found]


def scenarios(rule):
    """Those in which what is wrong with the state speaks against the rule."""
    folder = HERE.parents[1] / "scenarios"
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.glob("*/*.json")
                  if f'"effects": "{rule}"' in path.read_text())


def suites(case, quick=False):
    """What it is worth playing: a connector that is sound must pass all of it."""
    if quick and case.must:
        return sorted(name for rule in case.must for name in scenarios(rule))
    crash = case.must & set(CRASH) or (not case.breaks and (case.file, case.shape) not in ADDS)
    return ["effects", "crash"] if crash else ["effects"]


def listed(file):
    """What a receiver says that it has."""
    words = {"py": [sys.executable, HERE / file, "--list"], "js": ["node", HERE / file, "--list"], "php": ["php", HERE / file, "--", "--list"]}
    return json.loads(subprocess.run(words[file.rpartition(".")[2]], check=True, stdout=subprocess.PIPE).stdout)


# ---- playing ------------------------------------------------------------------------------------------


def play(case, program, folder, quick=False, timeout=300):
    """One run of pimsim: the report (None when there is none), and what it said. The journal is folder/run.ndjson."""
    (port, sink), data = playing.free_ports(2), folder / "data"
    line = [program, "run", *suites(case, quick), "--config=", "-p", case.platform, "-u", f"http://127.0.0.1:{port}/", "-s", "s3cret",
            "--exec", command(case.file, port), *look(case, port, data, sink), "--ack-deadline", "10s"]
    return playing.run(line, environment(case, port, data, sink), folder, timeout)


def complaints(case, report):
    """What is wrong with the report; nothing when the case is judged as the table says."""
    found = {f["rule"]: f for f in report["findings"]}
    failed = {rule: f["level"] for rule, f in found.items() if f["verdict"] == "fail"}
    wrong = [f"{rule} fails: {found[rule]['reason']}" for rule, level in failed.items()
             if rule not in case.must | case.may and (level == "must" or not case.breaks)]
    wrong += [f"survived {rule}: {found[rule]['verdict']}, {found[rule]['reason']}" for rule in sorted(case.must) if rule not in failed]
    if not case.breaks:
        asked = {"idem", "order", "durable"} if "crash" in suites(case) else {"order"}
        asked -= BLIND.get((case.file, case.shape), set())
        wrong += [f"{rule} {f['verdict']}: {f['reason']}" for rule, f in found.items()
                  if rule.split("/")[0] in asked and f["verdict"] in ("inconclusive", "not-observed")]
    return wrong + (["the run ended early"] if report["interrupted"] else [])


if __name__ == "__main__":
    sys.exit(playing.check_all(sys.argv[1:], cases(), name, play, complaints))
