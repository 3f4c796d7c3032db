"""The reports as other programs read them: JSON, JUnit XML and TAP 14, each against docs/formats.md."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import PROGRAM, ROOT

FORMATS = (ROOT / "docs/formats.md").read_text()
RUNS = {
    "sound": (["core", "signatures"], 0),
    "failed": (["core", "signatures", "--bug", "sig-odd"], 1),
    "should": (["core", "--bug", "ack-202"], 0),
    "strict": (["core", "--bug", "ack-202", "--strict"], 1),
    "refused": (["core", "signatures", "-p", "events-api", "--bug", "sig-no-dot"], 1),
    "required": (["core/first-contact", "--require", "sig/rotation"], 4),
    "state": (["judge", ROOT / "tests/journals/state.ndjson"], 1),
    "port": (["judge", ROOT / "tests/journals/port.ndjson"], 1),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Every run once, and its three reports."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PIMSIM")}
    made = {}
    for name, (args, code) in RUNS.items():
        folder = tmp_path_factory.mktemp(name)
        files = {kind: folder / f"run.{kind}" for kind in ("json", "junit", "tap")}
        options = [part for kind, path in files.items() for part in (f"--report-{kind}", str(path))]
        command = [] if args[0] == "judge" else ["demo"]
        platform = [] if "-p" in args or not command else ["-p", "aep"]
        run = subprocess.run([PROGRAM, *command, *args, "-q", "--config=", *platform, *options],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                             env=clean)
        assert run.returncode == code, run.stdout + run.stderr
        made[name] = {kind: path.read_text() for kind, path in files.items()} | {"code": code}
    return made


@pytest.fixture(params=RUNS)
def run(request, reports):
    return reports[request.param]


# ---- JSON -------------------------------------------------------------------------------------------


def example():
    (text,) = [t for t in re.findall(r"```json\n(.*?)```", FORMATS, re.DOTALL) if '"findings"' in t]
    return json.loads(text)


def assert_same_keys(place, got, documented):
    if isinstance(documented, dict) and got is not None and place != "categories":
        assert list(got) == list(documented), place
        for key in documented:
            assert_same_keys(key, got[key], documented[key])
    elif place == "categories":
        for name, category in got.items():
            assert_same_keys(name, category, documented["sig"])
    elif isinstance(documented, list) and documented:
        for item in got:
            assert_same_keys(place, item, documented[0])


def test_json_has_the_documented_members_and_no_others(run):
    assert_same_keys("report", json.loads(run["json"]), example())


def difference(report):
    found = [f for f in report["findings"] if f["rule"] == "idem/state"]
    return found[0]["evidence"][0]["difference"]


def test_json_shows_what_differs_as_documented(reports):
    got, documented = difference(json.loads(reports["state"]["json"])), difference(example())
    assert list(got) == list(documented)
    for key, value in documented.items():
        assert type(got[key]) is type(value)
        assert key == "path" or f"difference.{key}`" in FORMATS or f"`{key}`" in FORMATS


def test_json_types_and_words(run):
    report = json.loads(run["json"])
    assert report["report"] == 1
    assert report["verdict"] == {0: "conforms", 1: "fails", 4: "inconclusive"}[run["code"]]
    assert isinstance(report["score"], int) and 0 <= report["score"] <= 100
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", report["started"])
    for f in report["findings"]:
        assert f["level"] in ("must", "should") and f["reason"] and f["fix"]
        assert f["verdict"] in ("pass", "fail", "inconclusive", "not-observed", "not-applicable")
        assert (f["verdict"] == "fail") == (f["failed"] > 0) and f["failed"] <= f["judged"]
        assert (f["verdict"] in ("pass", "fail")) == (f["judged"] > 0)
        assert len(f["evidence"]) <= 5
        if f["evidence"]:
            assert f["verdict"] == "fail" and f["scenario"] in report["scenarios"]


def test_json_findings_are_the_rules_in_their_order(run, pimsim):
    rules = [r["rule"] for r in json.loads(pimsim("list", "rules", "--format", "json").stdout)]
    assert [f["rule"] for f in json.loads(run["json"])["findings"]] == rules


def test_json_score_is_the_documented_sum(run):
    report = json.loads(run["json"])
    weight = {"must": 3, "should": 1}
    judged = [f for f in report["findings"] if f["verdict"] in ("pass", "fail")]
    passed = sum(weight[f["level"]] for f in judged if f["verdict"] == "pass")
    assert report["score"] == 100 * passed // sum(weight[f["level"]] for f in judged)


# ---- JUnit ------------------------------------------------------------------------------------------


def test_junit_counts_what_it_holds(run):
    root = ElementTree.fromstring(run["junit"])
    assert root.tag == "testsuites"
    for element in [root, *root]:
        cases = list(element.iter("testcase"))
        for kind, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(element.get(plural)) == sum(c.find(kind) is not None for c in cases)
        assert int(element.get("tests")) == len(cases)
        float(element.get("time"))


def test_junit_says_what_json_says(run):
    report, root = json.loads(run["json"]), ElementTree.fromstring(run["junit"])
    cases = {c.get("name"): c for c in root.iter("testcase")}
    for f in report["findings"]:
        case = cases.pop(f["rule"])
        assert case.get("classname") == "pimsim." + f["rule"].split("/")[0]
        if f["verdict"] == "pass":
            assert len(case) == 0
        elif case.find("failure") is not None:
            assert f["verdict"] == "fail" and case.find("failure").get("message") == f["reason"]
            assert f["level"] == case.find("failure").get("type")
            assert f["fix"].split()[0] in case.find("failure").text
        else:
            assert case.find("skipped") is not None
            assert f["verdict"] != "fail" or f["level"] == "should"
    assert list(cases) == (["verdict"] if run["code"] == 4 else [])


def test_junit_is_red_exactly_when_the_exit_code_is(run):
    root = ElementTree.fromstring(run["junit"])
    assert (int(root.get("failures")) + int(root.get("errors")) > 0) == (run["code"] != 0)


# ---- TAP --------------------------------------------------------------------------------------------

POINT = re.compile(r"(not )?ok ([1-9]\d*) - ([a-z]+/[a-z-]+)(?: # (SKIP|TODO) (.+))?")


def read_tap(text):
    """By TAP 14's grammar: the version, a plan, test points, and YAML blocks that belong to them."""
    lines = text.split("\n")
    assert lines.pop() == "" and lines.pop(0) == "TAP version 14"
    (count,) = re.fullmatch(r"1\.\.([1-9]\d*)", lines.pop(0)).groups()
    points, bail, block = [], None, None
    for line in lines:
        if block is not None:
            if line == "  ...":
                points[-1]["yaml"], block = block, None
            else:
                assert line.startswith("  ")
                block.append(line[2:])
        elif line == "  ---":
            assert points and "yaml" not in points[-1]
            block = []
        elif line.startswith("Bail out!"):
            bail = line
        else:
            assert bail is None
            bad, number, rule, directive, why = POINT.fullmatch(line).groups()
            assert int(number) == len(points) + 1
            points.append({"ok": not bad, "rule": rule, "directive": directive, "why": why})
    assert block is None and len(points) == int(count)
    return points, bail


def test_tap_is_tap_and_says_what_json_says(run):
    points, bail = read_tap(run["tap"])
    for f, point in zip(json.loads(run["json"])["findings"], points, strict=True):
        assert point["rule"] == f["rule"] and point["ok"] == (f["verdict"] != "fail")
        assert ("yaml" in point) == (f["verdict"] == "fail")
        if point["ok"]:
            assert (point["directive"] == "SKIP") == (f["verdict"] != "pass")
            assert f["verdict"] == "pass" or point["why"].startswith(f["verdict"] + ": ")
    assert (bail is not None) == (run["code"] == 4)


def test_tap_is_red_exactly_when_the_exit_code_is(run):
    points, bail = read_tap(run["tap"])
    red = [p for p in points if not p["ok"] and p["directive"] != "TODO"]
    assert (bool(red) or bail is not None) == (run["code"] != 0)


def test_tap_details_are_one_line_each(reports):
    points, _ = read_tap(reports["failed"]["tap"])
    (block,) = [p["yaml"] for p in points if "yaml" in p]
    keys = [line.split(":")[0] for line in block if not line.startswith((" ", "-"))]
    assert keys == ["level", "scenario", "reason", "judged", "failed", "evidence", "fix"]
    for line in block:
        name, _, value = line.strip(" -").partition(": ")
        assert name in ("level", "judged", "failed", "evidence:") or isinstance(json.loads(value), str)


# ---- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "junit", "tap"])
def test_a_report_on_standard_output_stands_alone(pimsim, kind):
    done = pimsim("judge", ROOT / "tests/journals/small.ndjson", f"--report-{kind}", "-")
    assert done.returncode == 0
    if kind == "json":
        assert json.loads(done.stdout)["verdict"] == "conforms"
    elif kind == "junit":
        assert ElementTree.fromstring(done.stdout).tag == "testsuites"
    else:
        assert read_tap(done.stdout)
