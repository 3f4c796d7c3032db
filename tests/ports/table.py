"""Port x shape x break, and the rule that must fail. See README.md.

    PIMSIM=build/pimsim JOBS=2 python3 tests/ports/table.py [WORD...]

plays each case whose name has one of the words in it (or all), and prints what came.

A row is (file, shapes, break, rule): the one port/ rule that must fail, or "" where the run must conform. No other MUST
rule fails, but IDENTIFIER may where the values and the identifier go together (the row ends with MAY). What to expect
is worked out from docs/migration.md, not from what pimsim says."""
import collections
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import playing  # noqa: E402

STATE, IDENTIFIER, DELTA = "port/state", "port/identifier", "port/delta"
MAY = {IDENTIFIER}
REMOVED, OWN, HANDOVER, SWITCHOVER = "port/removed", "port/own-events", "port/handover", "port/switchover"
SCENARIOS = {STATE: "changes", IDENTIFIER: "changes", DELTA: "deltas", REMOVED: "removals", OWN: "own-changes", HANDOVER: "handover", SWITCHOVER: "both-at-once"}
SQL = "sqlite3 -json -cmd '.timeout 5000' {data}/%s.db 'SELECT * FROM products'"

# How the state is looked at: {base} is the connector's URL, {data} its folder. By default, /state.
LOOKS = {
    ("rows.py", "sqlite"): ["--state-cmd", SQL % "shop"],
    ("rows.py", "two-programs"): ["--state-cmd", SQL % "shop"],
    ("rows.py", "two"): ["--state-cmd", SQL % "old" + "; " + SQL % "aep"],
    ("deltas.py", "file"): ["--state-cmd", "cat {data}/products.json"],
    ("keyed.js", "file"): ["--state-cmd", "cat {data}/products.json"],
    ("files.php", "cat"): ["--state-cmd", "for file in {data}/products/*.json; do cat $file; echo; done"],
    ("pusher.py", "put"): ["--sink", "0"], ("pusher.py", "patch"): ["--sink", "0"],
    ("pusher.py", "bulk"): ["--sink", "0", "--sink-sets", "POST /products/batch"],
}
# What is not the port's SHAPE but ours: how it is started or looked at.
OURS = {"sqlite": "identifier", "two-programs": "uuid", "file": "map", "cat": "raw", "before-7": "map"}

SOUND = [("rows.py", "uuid identifier projection raw sqlite two-programs"), ("deltas.py", "map list shop file before-7"),
         ("keyed.js", "map rows ndjson file"), ("files.php", "raw card flags cat"), ("pusher.py", "put bulk patch")]

BROKEN = [
    # a light event is taken for what an event of the Events API was
    ("rows.py", "uuid raw", "light-as-full", STATE),
    ("keyed.js", "rows", "light-as-full", STATE),
    ("files.php", "raw card", "light-as-full", STATE, MAY),
    ("pusher.py", "put", "light-as-full", STATE, MAY),
    # the PIM is asked, and the answer is not what it should be
    ("rows.py", "uuid projection", "wrong-endpoint", STATE),
    ("rows.py", "identifier raw", "first-found", STATE),
    ("rows.py", "projection two-programs", "cache", STATE),
    ("rows.py", "sqlite raw", "created-only", STATE),
    ("keyed.js", "map ndjson", "one-page", STATE),
    ("keyed.js", "rows", "no-await", STATE),
    ("keyed.js", "map", "memo", STATE),
    ("keyed.js", "file ndjson", "created-only", STATE),
    ("keyed.js", "map", "deltas-only", STATE),
    ("deltas.py", "map list", "deltas-only", STATE),
    ("deltas.py", "shop file", "updated-lost", STATE),
    ("files.php", "raw flags", "by-identifier", STATE),
    ("files.php", "card cat", "first-stays", STATE),
    ("pusher.py", "put bulk", "slow-copy", STATE),
    # models are called otherwise, and have no uuid
    ("rows.py", "uuid projection", "underscore", STATE),
    ("rows.py", "identifier", "model-uuid", STATE),
    ("keyed.js", "map rows", "model-dash", STATE),
    ("keyed.js", "ndjson", "model-endpoint", STATE),
    ("files.php", "raw card", "only-products", STATE),
    ("pusher.py", "put bulk", "no-models", STATE),
    # what the new mapping forgot, or made of it
    ("rows.py", "projection uuid", "no-categories", STATE),
    ("rows.py", "projection", "price-number", STATE),
    ("rows.py", "projection", "no-locale", STATE),
    ("rows.py", "uuid identifier", "counts-anew", STATE),
    ("keyed.js", "map ndjson", "no-family", STATE),
    ("keyed.js", "rows", "enabled-text", STATE),
    ("keyed.js", "map", "numbers", STATE),
    ("deltas.py", "map", "version-anew", STATE),
    ("files.php", "card", "casts", STATE),
    ("files.php", "card raw", "no-enabled", STATE),
    ("files.php", "raw", "numeric", STATE),
    ("pusher.py", "put bulk", "no-stock", STATE),
    ("rows.py", "uuid", "api-authors", STATE),
    # all products in the place of one, or nothing that tells which one it is
    ("rows.py", "identifier projection", "key-none", STATE, MAY),
    ("keyed.js", "map", "undefined-key", STATE, MAY),
    ("keyed.js", "rows ndjson", "merge-light", STATE),
    ("files.php", "card", "empty-name", STATE, MAY),
    ("pusher.py", "put", "sku-none", STATE, MAY),
    # who it is
    ("keyed.js", "map", "merge-light", IDENTIFIER),
    ("rows.py", "uuid identifier projection", "uuid-as-sku", IDENTIFIER),
    ("deltas.py", "map shop", "keys-by-uuid", IDENTIFIER),
    ("files.php", "raw card", "name-uuid", IDENTIFIER),
    ("pusher.py", "put bulk", "sku-uuid", IDENTIFIER),
    # deltas
    ("deltas.py", "map shop", "delta-replaces", DELTA),
    ("deltas.py", "list shop", "delta-previous", DELTA),
    ("deltas.py", "map list", "delta-raw", DELTA),
    ("deltas.py", "list", "values-alone", DELTA),
    ("deltas.py", "map", "delta-first", DELTA),
    ("files.php", "raw", "delta-unset", DELTA),
    ("files.php", "raw", "delta-old", DELTA),
    ("pusher.py", "patch", "previous", DELTA),
    # removals
    ("rows.py", "uuid projection sqlite", "delete-by-identifier", REMOVED),
    ("rows.py", "identifier raw", "removed-only", REMOVED),
    ("rows.py", "projection two-programs", "deleted-fetches", REMOVED),
    ("rows.py", "uuid", "delete-row", REMOVED),
    ("deltas.py", "map list", "id-only-delete", REMOVED),
    ("deltas.py", "shop", "deleted-throws", REMOVED),
    ("deltas.py", "list shop", "deleted-disables", REMOVED),
    ("keyed.js", "map rows", "removed-only", REMOVED),
    ("keyed.js", "map ndjson", "delete-undefined", REMOVED),
    ("keyed.js", "rows", "drop-inactive", REMOVED),
    ("files.php", "raw cat", "unlink-identifier", REMOVED),
    ("files.php", "flags", "removed-only", REMOVED),
    ("files.php", "flags", "flag-lost", REMOVED),
    ("pusher.py", "put bulk", "delete-none", REMOVED),
    ("pusher.py", "put", "no-deletes", REMOVED),
    # its own changes
    ("rows.py", "uuid projection sqlite", "own", OWN),
    ("rows.py", "identifier", "own-user", OWN),
    ("deltas.py", "map", "own", OWN),
    ("deltas.py", "list", "own-type", OWN),
    ("deltas.py", "shop", "own-by-name", OWN),
    ("keyed.js", "map", "own", OWN),
    ("keyed.js", "ndjson", "own-user", OWN),
    ("files.php", "raw", "own", OWN),
    ("files.php", "card", "own-source", OWN),
    ("pusher.py", "put", "own", OWN),
    # what was there before the switch
    ("rows.py", "uuid", "own-rows", HANDOVER),
    ("rows.py", "two", "", HANDOVER),
    ("rows.py", "uuid projection sqlite", "strangers", HANDOVER),
    ("rows.py", "identifier projection", "links-late", HANDOVER),
    ("deltas.py", "map shop before-7", "names-late", HANDOVER),
    ("keyed.js", "rows", "append", HANDOVER),
    ("keyed.js", "map rows", "codes-late", HANDOVER),
    ("files.php", "raw card", "second-file", HANDOVER),
    ("files.php", "raw flags", "links-late", HANDOVER),
    ("pusher.py", "put bulk", "skus-late", HANDOVER),
    # both platforms at once
    ("rows.py", "uuid projection", "creates", SWITCHOVER),
    ("keyed.js", "rows", "append-created", SWITCHOVER),
    # no loss
    ("rows.py", "projection", "null-name", ""),
    ("rows.py", "uuid projection", "uuid-everywhere", ""),
    ("rows.py", "identifier projection", "polls", ""),
    ("keyed.js", "map", "null-empty", ""),
    ("keyed.js", "map rows", "counts", ""),
    ("keyed.js", "rows", "dates", ""),
    ("files.php", "raw", "delta-fetches", ""),
    ("files.php", "card", "adds-uuid", ""),
    ("pusher.py", "put", "twice", ""),
    ("pusher.py", "put bulk", "adds-uuid", ""),
    ("deltas.py", "list", "saves-calls", ""),
    # wrong, and lost nothing: the light event that came before has told it
    ("deltas.py", "map", "values-only", ""),
    ("deltas.py", "map", "delta-key", ""),
]

Case = collections.namedtuple("Case", "file shape breaks rule may")


def cases():
    for file, shapes, *row in [(file, shapes, "", "") for file, shapes in SOUND] + BROKEN:
        for shape in shapes.split():
            yield Case(file, shape, row[0], row[1], row[2] if row[2:] else set())


def name(case):
    return "-".join(filter(None, [case.file.split(".")[0], case.shape, case.breaks or "sound"]))


def command(case, port, old_port):
    """The port as --exec starts it."""
    path = HERE / case.file
    if case.file.endswith(".php"):
        return f"exec php -d display_errors=0 -S 127.0.0.1:{port} {path}"
    line = f"{sys.executable if case.file.endswith('.py') else 'node'} {path}"
    return (f"PORT={old_port} {line} & " if case.shape == "two-programs" else "") + f"exec {line}"


def listed(file):
    """What a port says that it has."""
    path = str(HERE / file)
    words = {"py": [sys.executable, path, "--list"], "js": ["node", path, "--list"], "php": ["php", path, "--", "--list"]}
    return json.loads(subprocess.run(words[file.rpartition(".")[2]], check=True, stdout=subprocess.PIPE).stdout)


# ---- playing -----------------------------------------------------------------------------------------


def play(case, program, folder, quick=False, timeout=300):
    """One run of pimsim: the report (None when there is none), and what it said. The journal is folder/run.ndjson."""
    port, old_port = playing.free_ports(2)
    data, base, old_base = folder / "data", f"http://127.0.0.1:{port}", f"http://127.0.0.1:{old_port}"
    looks = [part.format(base=base, data=data) if "{base}" in part or "{data}" in part else part
             for part in LOOKS.get((case.file, case.shape), ["--state-url", "{base}/state"])]
    suite = "migration/" + SCENARIOS[case.rule or STATE] if quick else "migration"
    looks += ["--pim-version", "6.0"] if case.shape == "before-7" else []
    line = [program, "run", suite, "--config=", "-p", "aep", "-s", "s3cret", "--pim", "0",
            "--url-events-api", f"{old_base if case.shape == 'two-programs' else base}/old", "--url-aep", f"{base}/aep",
            "--exec", command(case, port, old_port), *looks, "--ack-deadline", "10s", "--settle", "500ms"]
    environment = {"PORT": str(port), "SECRET": "s3cret", "DATA": str(data), "BREAK": case.breaks,
                   "SHAPE": OURS.get(case.shape, case.shape), "PHP_CLI_SERVER_WORKERS": "4"}
    return playing.run(line, environment, folder, timeout)


def complaints(case, report, quick=False):
    """What is wrong with the report; nothing when the case is judged as the table says."""
    found = {f["rule"]: f for f in report["findings"]}
    failed = {rule for rule, f in found.items() if f["verdict"] == "fail" and f["level"] == "must"}
    wrong = [f"{rule} fails: {found[rule]['reason']}" for rule in sorted(failed - {case.rule} - case.may)]
    if case.rule and case.rule not in failed:
        wrong.append(f"survived {case.rule}: {found[case.rule]['verdict']}, {found[case.rule]['reason']}")
    if not case.rule:
        wrong += [f"{rule} {f['verdict']}: {f['reason']}" for rule, f in found.items() if rule.startswith("port/") and
                  f["verdict"] in ("inconclusive", "" if quick else "not-observed")]
    return wrong + (["the run ended early"] if report["interrupted"] else [])


if __name__ == "__main__":
    sys.exit(playing.check_all(sys.argv[1:], cases(), name, play, complaints))
