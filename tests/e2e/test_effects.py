"""Connectors of others, with state in shapes of their own: the sound ones pass, a broken one fails by its own rule.

The receivers and the table are in tests/receivers. A few cases are played here; RECEIVERS=all plays every one."""
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "receivers"))
import table  # noqa: E402

ALL = os.environ.get("RECEIVERS") == "all"
# Of each language a sound one, of each rule a break.
QUICK = """
shop-archive-sound-aep journal-sound-events-api files-map-sound-events-api
shop-crowded-no-dedup-aep shop-hex-lookup-first-events-api store-ndjson-race-events-api store-counters-abort-on-close-aep
ledger-stock-dedup-memory-aep pusher-bulk-last-arrival-events-api store-map-delete-unknown-aep
files-sku-late-create-events-api files-cat-tmp-aep shop-cmd-dump-first-of-batch-events-api journal-trusts-forged-aep
""".split()
CASES = [case for case in table.cases() if ALL or table.name(case) in QUICK]
NEEDS = {".py": sys.executable, ".js": "node", ".php": "php"}


@pytest.mark.parametrize("file", [file for file, _ in table.SOUND])
def test_the_table_uses_all_that_a_receiver_has(file):
    if not shutil.which(NEEDS[pathlib.Path(file).suffix]):
        pytest.skip("its language is not here")
    has, rows = table.listed(file), [case for case in table.cases() if case.file == file]
    assert set(has["breaks"]) == {case.breaks for case in rows} - {""}
    assert set(has["shapes"]) == {case.shape for case in rows} - table.OURS - {""}


@pytest.mark.parametrize("case", CASES, ids=table.name)
def test_a_receiver_is_judged_by_what_is_in_its_state(case, program, tmp_path):
    if not shutil.which(NEEDS[pathlib.Path(case.file).suffix]):
        pytest.skip("its language is not here")
    report, done = table.play(case, program, tmp_path, quick=not ALL)
    assert report, done.stderr
    assert table.complaints(case, report) == []
    assert done.returncode == (1 if case.must else 0)  # all of them are MUST rules
