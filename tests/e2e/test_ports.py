"""Ports of others, from the Events API to AEP: a sound one conforms, a broken one fails by its own rule.

The ports and the table are in tests/ports. A few cases are played here; PORTS=all plays every one."""
import importlib.util
import os
import pathlib
import shutil
import sys

import pytest

FILE = pathlib.Path(__file__).resolve().parents[1] / "ports" / "table.py"
spec = importlib.util.spec_from_file_location("ports_table", FILE)  # tests/receivers has a table.py too
table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table)

ALL = os.environ.get("PORTS") == "all"
# A sound one, a loss that is none, and for each rule a break: each in one scenario.
QUICK = """
keyed-map-sound rows-uuid-uuid-everywhere
rows-identifier-model-uuid files-raw-name-uuid deltas-map-delta-replaces pusher-bulk-delete-none keyed-ndjson-own-user rows-uuid-own-rows
keyed-rows-append-created
""".split()
CASES = [case for case in table.cases() if ALL or table.name(case) in QUICK]
NEEDS = {".py": sys.executable, ".js": "node", ".php": "php"}


@pytest.mark.parametrize("file", [file for file, _ in table.SOUND])
def test_the_table_uses_all_that_a_port_has(file):
    if not shutil.which(NEEDS[pathlib.Path(file).suffix]):
        pytest.skip("its language is not here")
    has, rows = table.listed(file), [case for case in table.cases() if case.file == file]
    assert set(has["breaks"]) == {case.breaks for case in rows} - {""}
    assert set(has["shapes"]) == {case.shape for case in rows} - set(table.OURS)


def test_the_quick_ones_are_in_the_table():
    assert set(QUICK) <= {table.name(case) for case in table.cases()}


@pytest.mark.parametrize("case", CASES, ids=table.name)
def test_a_port_is_judged_by_what_it_lost(case, program, tmp_path):
    if not shutil.which(NEEDS[pathlib.Path(case.file).suffix]):
        pytest.skip("its language is not here")
    report, done = table.play(case, program, tmp_path, quick=not ALL)
    assert report, done.stderr
    assert table.complaints(case, report, quick=not ALL) == []
    assert done.returncode == (1 if case.rule else 0)
