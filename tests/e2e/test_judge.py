"""pimsim judge: a recorded run judged again, as it was, cut short, and as nothing that we wrote."""
import json

import pytest

from conftest import ROOT

PLATFORMS = ["events-api", "aep"]
BUGS = [None, "sig-no-dot", "sig-reserialise", "redirect", "ack-202", "dup-409", "malformed-500"]
SUITE = ["core", "signatures", "delivery/malformed"]


def demo(pimsim, *args, **more):
    return pimsim("demo", "-q", "--seed", 3, "--journal", "run.ndjson", *args, **more)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("bug", BUGS)
def test_a_journal_is_judged_to_the_same_bytes(pimsim, tmp_path, platform, bug):
    reports = ["--report-json", "run.json", "--report-junit", "run.xml", "--report-tap", "run.tap"]
    run = demo(pimsim, *SUITE, "-p", platform, *(["--bug", bug] if bug else []), *reports)
    first = {name: (tmp_path / name).read_bytes() for name in reports[1::2]}
    again = pimsim("judge", "run.ndjson", "-q", *reports)
    assert again.returncode == run.returncode in (0, 1), run.stderr
    assert again.stdout == run.stdout
    assert {name: (tmp_path / name).read_bytes() for name in reports[1::2]} == first


@pytest.mark.parametrize("bug,rule,words", [
    ("sig-no-dot", "sig/valid", "your connector verifies HMAC(timestamp + body) without the dot"),
    ("sig-reserialise", "sig/valid", "your connector verifies over the body parsed and serialised again"),
    ("dup-409", "ack/duplicate", "events that came again were not acknowledged; the first was answered 409 Conflict"),
    ("redirect", "reach/redirect", "requests were redirected; the first was answered 308 Permanent Redirect, to http://"),
    ("sig-odd", "sig/odd", "requests with an odd signature were not refused with 4xx; the first was answered 500"),
])
def test_reasons_speak_to_the_connectors_author(pimsim, tmp_path, bug, rule, words):
    demo(pimsim, "core", "signatures", "-p", "events-api", "--bug", bug, "--report-json", "run.json")
    findings = {f["rule"]: f for f in json.loads((tmp_path / "run.json").read_text())["findings"]}
    assert words in findings[rule]["reason"]


def test_the_state_of_a_connector_is_judged_offline(pimsim):
    judged = pimsim("judge", ROOT / "tests/journals/state.ndjson")
    assert judged.returncode == 1
    assert """\
FAIL  idem/state  must  effects/duplicates  1 of 3
    1 of 3 products differs after events that came again: /price of product 3 is 9, and 10 without the fault
    product 3 at state-url 1: /products/[]
      - {"price":10,"sku":"<product 3>","updated":"<now>"}  without the fault
      + {"price":9,"sku":"<product 3>","updated":"<now>"}   with the fault
      /price: expected 10, found 9
      deliveries  9 product.created, 18 product.updated, 20 product.created (a copy of an event that came before)
    fix  Insert the event's id into""" in judged.stdout
    assert "order/late-create: no way to look at the connector's state: give --state-url" in judged.stdout
    findings = {f["rule"]: f for f in json.loads(
        pimsim("judge", ROOT / "tests/journals/state.ndjson", "--format", "json").stdout)["findings"]}
    assert {rule: f["verdict"] for rule, f in findings.items() if f["verdict"] in ("pass", "fail")} == {
        "ack/deadline": "pass", "ack/duplicate": "pass", "idem/state": "fail", "durable/ack": "pass"}


def test_a_port_is_judged_offline(pimsim):
    judged = pimsim("judge", ROOT / "tests/journals/port.ndjson")
    assert judged.returncode == 1
    assert """\
FAIL  port/identifier  must  mini  3 of 3
    3 of 3 entities have lost their identifiers: /identifier of product 1 is null through AEP, and "<product 1 by identifier>" through the Events API
    product 1 at state-url 1: /entities/[]
""" in judged.stdout
    assert '…  through the Events API\n' in judged.stdout and '…  through AEP\n' in judged.stdout
    findings = {f["rule"]: f for f in json.loads(
        pimsim("judge", ROOT / "tests/journals/port.ndjson", "--format", "json").stdout)["findings"]}
    assert {rule: f["verdict"] for rule, f in findings.items() if f["verdict"] in ("pass", "fail")} == {
        "port/state": "pass", "port/identifier": "fail"}
    assert "pimsim run migration has some" in findings["port/delta"]["reason"]


@pytest.mark.parametrize("journal,name,rule", [("state", "effects/duplicates", "idem/state"),
                                               ("port", "mini", "port/identifier")])
def test_a_journal_with_states_that_was_cut_anywhere_is_judged(pimsim, tmp_path, journal, name, rule):
    whole = (ROOT / f"tests/journals/{journal}.ndjson").read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole), 499):
        (tmp_path / "cut.ndjson").write_bytes(whole[:length])
        cut = pimsim("judge", "cut.ndjson", "--format", "json")
        over = f'"settled","name":"{name}"'.encode() in whole[:length]
        failed = [f["rule"] for f in json.loads(cut.stdout)["findings"] if f["verdict"] == "fail"]
        assert failed == ([rule] if over else []) and cut.returncode == (1 if over else 4)


@pytest.mark.parametrize("rule,needed", [("idem/state", True), ("durable/ack", True), ("port/delta", True),
                                         ("ack/status", False)])
def test_explain_says_how_a_rule_is_judged_and_what_that_needs(pimsim, rule, needed):
    text, explained = pimsim("explain", rule).stdout, json.loads(pimsim("explain", rule, "--format=json").stdout)
    assert ("--state-url, --state-cmd or" in text) == needed
    assert ("--state-url" in (explained["needs"] or "")) == needed
    assert ("the connector's state" if needed else "how the connector answers") in explained["judged_by"]


def test_a_connector_that_refuses_everything_shows_no_merit(pimsim, tmp_path):
    demo(pimsim, "core", "signatures", "-p", "events-api", "--bug", "sig-no-dot", "--report-json", "run.json")
    findings = {f["rule"]: f for f in json.loads((tmp_path / "run.json").read_text())["findings"]}
    for rule in ("sig/forged", "sig/missing", "sig/other-secret", "sig/tampered", "sig/odd"):
        assert findings[rule]["verdict"] == "inconclusive" and "(see sig/valid)" in findings[rule]["reason"]


def test_a_journal_from_standard_input(pimsim, tmp_path):
    demo(pimsim, "core/first-contact", "--report-json", "run.json")
    with (tmp_path / "run.ndjson").open() as journal:
        piped = pimsim("judge", "-", "--report-json", "-", stdin=journal)
    assert piped.returncode == 0 and piped.stdout == (tmp_path / "run.json").read_text()


def test_a_journal_that_was_cut_anywhere_is_judged_for_what_it_holds(pimsim, tmp_path):
    demo(pimsim, "core/reachability", "-p", "aep")
    whole = (tmp_path / "run.ndjson").read_bytes()
    first = whole.index(b"\n") + 1
    for length in [*range(first, len(whole), 997), len(whole) - 1]:
        (tmp_path / "cut.ndjson").write_bytes(whole[:length])
        cut = pimsim("judge", "cut.ndjson", "--format", "json")
        report = json.loads(cut.stdout)
        whole_again = length == len(whole) - 1  # only the line feed is gone
        assert cut.returncode == (0 if whole_again else 4)
        assert report["interrupted"] == (not whole_again)
        assert not [f for f in report["findings"] if f["verdict"] == "fail"]


@pytest.mark.parametrize("options,code", [
    ([], 0), (["--strict"], 1), (["--fail-under", "90"], 0), (["--fail-under", "99"], 1),
    (["--require", "ack/status"], 0), (["--require", "sig/rotation"], 4), (["--require", "sig/stale"], 4),
    (["--require", "sig/stale", "--strict"], 1),
])
def test_options_decide_what_a_failed_should_rule_costs(pimsim, options, code):
    demo(pimsim, "core/first-contact", "core/every-event", "-p", "aep", "--bug", "ack-202")
    judged = pimsim("judge", "run.ndjson", "-q", *options)
    score = json.loads(pimsim("judge", "run.ndjson", "--format", "json").stdout)["score"]
    assert score == 100 * (3 + 3 + 1) // (3 + 3 + 1 + 1)
    if options[:1] == ["--fail-under"]:
        code = int(score < int(options[1]))
    assert judged.returncode == code


def test_an_unknown_rule_is_not_required_in_vain(pimsim):
    judged = pimsim("judge", ROOT / "tests/journals/small.ndjson", "--require", "sig/forgd")
    assert judged.returncode == 2 and "did you mean sig/forged?" in judged.stderr


@pytest.mark.parametrize("text,words", [
    ("", "an empty journal"),
    ("hello\n", "line 1"),
    ("\0\0\0\n", "line 1"),
    ('{"record":"send","delivery":1}\n', 'does not start with a "run" record'),
    ('{"record":"run","journal":2,"platform":"aep","deadline_us":1}\n', "journal version 2"),
    ('{"record":"run","journal":1,"platform":"kafka","deadline_us":1}\n', 'unknown platform "kafka"'),
])
def test_what_is_no_journal(pimsim, tmp_path, text, words):
    (tmp_path / "bad.ndjson").write_text(text)
    judged = pimsim("judge", "bad.ndjson")
    assert (judged.returncode, judged.stdout) == (2, "") and words in judged.stderr


def test_a_journal_is_named_once_and_is_there(pimsim):
    assert pimsim("judge").returncode == 2
    assert pimsim("judge", "a", "b").returncode == 2
    missing = pimsim("judge", "none.ndjson")
    assert missing.returncode == 2 and "none.ndjson: No such file" in missing.stderr
    assert pimsim("judge", ".").returncode != 0
