"""Connectors as others write them, in Node, PHP and Python, sound and broken: is the verdict right, is exactly the
rule named that is broken, and does the reason say what to do? See tests/connectors/.

The sound ones are played, and of the broken ones the first for each rule; with CONNECTORS=all every one is."""
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from conftest import ROOT

CONNECTORS = ROOT / "tests" / "connectors"
SECRET = "2Uq8-a secret of the tests"
EA, AEP = "events-api", "aep"
BOTH = (EA, AEP)

COMMANDS = {
    "node": ("node", 'exec node "$CONNECTOR"', "connector.js"),
    "php": ("php", 'exec php -S "127.0.0.1:$PORT" "$CONNECTOR"', "connector.php"),
    "python": (sys.executable, f'exec {sys.executable} "$CONNECTOR"', "connector.py"),
    "single": (sys.executable, f'exec {sys.executable} "$CONNECTOR"', "single_threaded.py"),
}

# What is played: as little as shows the fault, and some that should not mind it.
CONTACT = ("core/reachability", "core/first-contact")
SIG = (*CONTACT, "signatures")
FORM = (*CONTACT, "core/batches", "delivery/malformed", "delivery/unknown", "delivery/large")
CORE = ("core",)
EVENTS = (*CONTACT, "core/every-event", "core/catalogue", "signatures/raw-bytes")
TWICE = (*CONTACT, "core/duplicates")
ALL = ("core", "delivery", "signatures")

SIG_RULES = "sig/forged sig/missing sig/other-secret sig/tampered sig/odd"

# Language, breaks, platforms, what is played, the rules that fail (those of level should in brackets), and words that the
# first one's reason or fix says. A rule after "?" may fail, or not: it depends on the machine's pace, as ack/headroom
# does in every row.
TABLE = [
    # sound, or odd in a way that is in order
    ("node", "", BOTH, ALL, "", ""),
    ("php", "", BOTH, ALL, "", ""),
    ("python", "", BOTH, ALL, "", ""),
    ("single", "", BOTH, ALL, "", ""),
    ("node", "refuses-400", BOTH, SIG, "", ""),
    ("node", "first-of-batch", [EA], FORM, "", ""),
    ("node", "head-404", [EA], SIG, "", ""),
    ("php", "ignore-case", BOTH, SIG, "", ""),
    ("python", "huge-answer", [EA], CONTACT, "", ""),
    ("python", "secret-of-both", [AEP], SIG, "", ""),
    # which bytes are signed, with what
    ("node", "stringify", [EA], SIG, "sig/valid", "JSON.stringify"),
    ("node", "stringify", [AEP], SIG, "sig/raw-bytes", "JSON.stringify"),
    ("php", "json-encode", [AEP], SIG, "sig/valid", "json_encode"),
    ("python", "json-dumps", [EA], SIG, "sig/valid", "json.dumps"),
    ("python", "json-dumps", [AEP], SIG, "sig/valid", "json.dumps"),
    ("python", "json-compact", [AEP], SIG, "sig/raw-bytes", "not over the bytes that came"),
    ("python", "decoded", [AEP], (*SIG, "core/catalogue"), "sig/raw-bytes", "other bytes"),
    ("php", "post", BOTH, SIG, "sig/valid", "known mistakes were tried"),
    ("node", "no-dot", [EA], SIG, "sig/valid", "without the dot"),
    ("php", "no-dot", [EA], SIG, "sig/valid", "without the dot"),
    ("python", "no-dot", [EA], SIG, "sig/valid", "without the dot"),
    ("node", "no-dot+refuses-400", [EA], SIG, "sig/valid", "without the dot"),
    ("node", "body-only", [EA], SIG, "sig/valid", "as AEP signs"),
    ("node", "secret-newline", BOTH, SIG, "sig/valid", "a newline at the end of its secret"),
    ("php", "secret-newline", [AEP], SIG, "sig/valid", "a newline at the end of its secret"),
    ("python", "secret-newline", [EA], SIG, "sig/valid", "a newline at the end of its secret"),
    ("python", "secret-space", [AEP], SIG, "sig/valid", "a space at the end of its secret"),
    ("node", "secret-unset", BOTH, SIG, "sig/valid", "the empty secret"),
    ("node", "secret-wrong", [AEP], SIG, "sig/valid", "this very secret"),
    ("node", "secret-hex", [AEP], SIG, "sig/valid", "secret"),
    ("python", "secret-base64", [AEP], SIG, "sig/valid", "secret"),
    ("node", "base64", BOTH, SIG, "sig/valid", "base64"),
    ("node", "base64+refuses-500", [AEP], SIG, "sig/valid", "base64"),
    ("php", "raw-digest", [EA], SIG, "sig/valid", "base64"),
    ("python", "base64", [AEP], SIG, "sig/valid", "base64"),
    ("node", "upper-case", [AEP], SIG, "sig/valid", "upper-case hex"),
    ("php", "sha1", [AEP], SIG, "sig/valid", "known mistakes were tried"),
    ("php", "algorithm", [AEP], SIG, "sig/valid", "known mistakes were tried"),
    ("python", "exact-case", [AEP], SIG, "sig/valid", "known mistakes were tried"),
    ("node", "other-platform", BOTH, SIG, "sig/valid", "other platform"),
    ("node", "basic-auth", [EA], SIG, "sig/valid", "401 Unauthorized"),
    ("node", "clock-ms", [EA], SIG, "sig/valid", "milliseconds"),
    ("node", "clock-narrow", [EA], SIG, "sig/valid", "timestamp of the past"),
    ("python", "clock-local", [EA], SIG, "sig/valid", "its clock"),
    # whom it lets in
    ("node", "accepts-all", BOTH, SIG, SIG_RULES + " (sig/stale)", "checks no signature at all"),
    ("node", "replies-first", [AEP], SIG, SIG_RULES, "checks no signature at all"),
    ("node", "refuses-200", [AEP], SIG, SIG_RULES, "200"),
    ("node", "refuses-500", [AEP], SIG, SIG_RULES, "500"),
    ("php", "warning", [AEP], SIG, SIG_RULES, "checks no signature at all"),
    ("php", "exit-0", [AEP], SIG, SIG_RULES, "checks no signature at all"),
    ("single", "unread", [AEP], SIG, SIG_RULES, "checks no signature at all"),
    ("node", "presence", [AEP], SIG, "sig/forged sig/other-secret sig/tampered sig/odd", "wrong signature"),
    ("python", "sampled", [AEP], SIG, SIG_RULES, "wrong signature"),
    ("node", "first-digits", [AEP], SIG, "sig/forged sig/odd", "wrong signature"),
    ("node", "accepts-missing", [EA], SIG, "sig/missing", "without a signature"),
    ("php", "accepts-missing", [AEP], SIG, "sig/missing", "without a signature"),
    ("python", "accepts-missing", [AEP], SIG, "sig/missing sig/odd", "without a signature"),
    ("php", "loose", [AEP], SIG, "sig/missing sig/odd", "without a signature"),
    ("node", "empty-secret-too", [EA], SIG, "sig/other-secret", "another secret"),
    ("python", "empty-too", [AEP], SIG, "sig/other-secret", "another secret"),
    ("node", "cached", [EA], SIG, "sig/tampered", "changed after signing"),
    ("node", "primary-only", [AEP], SIG, "sig/rotation", "new secret"),
    ("python", "secondary-first", [AEP], SIG, "", ""),
    ("node", "no-clock", [EA], SIG, "(sig/stale)", "signed an hour ago"),
    ("python", "no-clock", [EA], SIG, "(sig/stale)", "signed an hour ago"),
    ("node", "throws", BOTH, SIG, "sig/odd", "500"),
    ("python", "fromhex", [EA], SIG, "sig/odd", "500"),
    ("python", "ascii-only", [AEP], SIG, "sig/odd", "500"),
    ("python", "startswith", [EA], SIG, "sig/odd", "odd signature"),
    ("php", "substring", [AEP], SIG, "sig/odd", "odd signature"),
    # where it is
    ("node", "not-found", [EA], SIG, "ack/deadline reach/test", "with the path"),
    ("node", "not-found", [AEP], SIG, "flow/suspension reach/head", "404"),
    ("python", "wrong-path", [AEP], SIG, "flow/suspension reach/head", "404"),
    ("node", "head-404", [AEP], SIG, "reach/head", "404"),
    ("node", "head-204", [AEP], SIG, "reach/head", "204"),
    ("php", "no-head", [AEP], SIG, "reach/head", "405"),
    ("python", "head-501", [AEP], SIG, "reach/head", "501"),
    ("node", "slash-301", BOTH, SIG, "reach/redirect", "/events/"),
    ("node", "login-302", [AEP], SIG, "reach/redirect", "/login"),
    ("php", "refuses-302", [EA], SIG, "reach/redirect", "/login"),
    ("python", "status-300", [AEP], SIG, "reach/redirect", "300"),
    ("node", "empty-500", [EA], FORM, "reach/test (form/malformed)", "500"),
    ("php", "test-400", [EA], SIG, "reach/test", "400"),
    # how it answers
    ("node", "status-201", [AEP], CORE, "(ack/status)", "201"),
    ("node", "status-202", [EA], CORE, "(ack/status)", "202"),
    ("php", "status-202", [AEP], CORE, "(ack/status)", "202"),
    ("node", "status-204", [AEP], CORE, "(ack/status)", "204"),
    ("python", "status-204", [EA], CORE, "(ack/status)", "204"),
    ("python", "status-503", [AEP], CORE, "ack/deadline", "503"),
    ("node", "cloudevents-only", [AEP], CORE, "ack/deadline", "application/json"),
    ("python", "json-type", [AEP], CORE, "ack/deadline", "application/json"),
    ("node", "flaky-500", BOTH, (*CORE, "signatures/raw-bytes", "delivery/unknown"), "ack/deadline", "no event can break"),
    ("node", "limit-429", [EA], ("core/first-contact", "core/catalogue"), "ack/deadline", "--speed 1"),
    ("node", "closes-sometimes", [EA], CORE, "ack/deadline", "closed or reset"),
    ("python", "drops-some", [AEP], (*CORE, *FORM[3:]), "ack/deadline", "closed or reset"),
    ("python", "drops-half", [EA], CORE, "ack/deadline", "closed or reset"),
    ("python", "garbage", [AEP], CORE, "ack/deadline", "not HTTP"),
    ("python", "short-body", [AEP], CORE, "ack/deadline", "closed or reset"),
    ("node", "half-answer", [EA], CONTACT, "ack/deadline", "within 500 ms"),
    ("python", "trickles", [EA], CONTACT, "ack/deadline", "within 500 ms"),
    ("node", "slow-200", [EA], CONTACT, "ack/deadline", "within 500 ms"),
    ("node", "slow-700", [EA], CONTACT, "ack/deadline", "within 500 ms"),
    ("node", "slow-4000", [AEP], ("core/first-contact",), "ack/deadline", "within 3 s"),
    ("node", "slow-crowd", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("node", "slow-sometimes", [EA], CORE, "ack/deadline", "within 500 ms"),
    ("php", "sleeps-60", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("php", "sleeps-300", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("python", "sleeps-300", [EA], ("core/first-contact",), "(ack/headroom)", "half of the deadline"),
    ("python", "sleeps-700", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("python", "sleeps-4000", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("python", "lock-40", [EA], ("delivery/crowd",), "ack/deadline", "within 500 ms"),
    ("python", "lock-100", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("single", "sleeps-60", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("single", "sleeps-200", [EA], ("core/first-contact",), "ack/deadline", "within 500 ms"),
    ("single", "keep-alive", [EA], ("delivery/crowd",), "ack/deadline", "within 500 ms"),
    ("single", "backlog", [EA], ("delivery/crowd",), "ack/deadline", "within 500 ms"),
    # what it takes
    ("node", "limit-100k", BOTH, FORM, "(form/large)", "413"),
    ("php", "post-max", [EA], FORM, "(form/large)", "413"),
    ("python", "limit-64k", [AEP], FORM, "(form/large)", "401"),
    ("node", "hangs-large", [EA], FORM, "(form/large)", "within 500 ms"),
    ("node", "malformed-500", [AEP], FORM, "(form/malformed)", "500"),
    ("node", "malformed-200", [EA], FORM, "(form/malformed)", "200"),
    ("php", "depth", [AEP], FORM, "(form/malformed)", "500"),
    ("python", "recursion", [AEP], FORM, "(form/malformed)", "500"),
    ("python", "unicode-error", [EA], FORM, "(form/malformed)", "500"),
    ("single", "traceback", [AEP], FORM, "(form/malformed)", "closed or reset"),
    ("node", "crashes-malformed", BOTH, FORM, "ack/deadline (form/malformed)", "the connector was gone since"),
    ("python", "dies", BOTH, FORM, "ack/deadline (form/malformed)", "the connector was gone since"),
    ("python", "dies-large", BOTH, (*FORM, *TWICE), "ack/deadline (form/large)", "a body of 1 MiB"),
    ("node", "unknown-400", BOTH, FORM, "form/unknown-type", "400"),
    ("php", "match-throws", [AEP], FORM, "form/unknown-type", "500"),
    ("python", "enum", [EA], FORM, "form/unknown-type", "400"),
    ("node", "strict-422", [AEP], FORM, "form/unknown-field", "422"),
    ("python", "extra-forbid", [EA], FORM, "form/unknown-field", "422"),
    ("node", "needs-values", BOTH, EVENTS, "ack/deadline", "500"),
    ("php", "fatal-removed", [EA], EVENTS, "ack/deadline", "500"),
    ("python", "keyerror-removed", [EA], EVENTS, "ack/deadline", "500"),
    ("node", "no-batches", [EA], (*FORM, "delivery/bulk-edit"), "form/batch", "400"),
    ("python", "batch-five", [EA], (*FORM, "delivery/bulk-edit"), "form/batch", "413"),
    ("php", "per-event-work", [EA], ("core/batches",), "ack/deadline ?form/batch", "within 500 ms"),
    ("node", "duplicate-409", BOTH, TWICE, "ack/duplicate", "409"),
    ("node", "duplicate-500", [EA], TWICE, "ack/duplicate", "500"),
    ("php", "duplicate-500", [AEP], TWICE, "ack/duplicate", "500"),
    ("python", "duplicate-400", [AEP], TWICE, "ack/duplicate", "400"),
    ("node", "duplicate-hangs", [EA], TWICE, "ack/duplicate", "within 500 ms"),
    ("python", "duplicate-slow", [EA], TWICE, "ack/duplicate", "within 500 ms"),
    ("node", "clock-second", [EA], CONTACT, "?sig/valid ?reach/test", ""),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def judged(pimsim, tmp_path):
    """judged("node", "no-dot", "aep", ["signatures"]) is the exit code and the report of that run."""

    def run(language, broken, platform, played):
        interpreter, command, script = COMMANDS[language]
        if not shutil.which(interpreter):
            pytest.skip(f"no {interpreter}")
        env = {"PORT": str(free_port()), "SECRET": SECRET, "PLATFORM": platform, "BREAK": broken,
               "CONNECTOR": str(CONNECTORS / script), "STORE": str(tmp_path / "spool"), "PIMSIM_SECRET": SECRET}
        done = pimsim("run", *played, "--exec", command, "--url", f"http://127.0.0.1:{env['PORT']}/events",
                      "--platform", platform, "--format", "json", "--config", "", env=env)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def chosen():
    """The rows that are played."""
    shown = set()
    for row in TABLE:
        named = {rule for rule in row[4].split() if not rule.startswith("?")}
        if not row[1] or not shown.issuperset(named) or os.environ.get("CONNECTORS") == "all":
            yield row
        shown |= named


CASES = [pytest.param(language, broken, platform, *row, id=f"{language}-{broken or 'sound'}-{platform}")
         for language, broken, platforms, *row in chosen() for platform in platforms]


@pytest.mark.parametrize("language, broken, platform, played, rules, words", CASES)
def test_what_is_broken_is_named_and_nothing_else(judged, language, broken, platform, played, rules, words):
    code, report = judged(language, broken, platform, played)
    failed = {f["rule"]: f for f in report["findings"] if f["verdict"] == "fail"}
    applicable = {f["rule"] for f in report["findings"] if f["verdict"] != "not-applicable"}
    expected = [rule for rule in rules.replace("(", "").replace(")", "").split() if rule in applicable]
    may = {"ack/headroom", *(rule.strip("?") for rule in rules.split() if rule.startswith("?"))} - set(expected)
    told = {rule: (f["level"], f["reason"], f["fix"]) for rule, f in failed.items()}
    assert set(failed) - may == set(expected), told
    assert {r for r in expected if failed[r]["level"] == "should"} == {r for r in expected if f"({r})" in rules}, told
    if expected:
        assert words in told[expected[0]][1] + told[expected[0]][2], told
        assert failed[expected[0]]["evidence"] or expected[0] == "ack/headroom"
    musts = [rule for rule, f in failed.items() if f["level"] == "must"]
    assert code == (1 if musts else 0), report["verdict"]


@pytest.mark.parametrize("language", COMMANDS)
def test_every_way_to_be_broken_is_tried(language):
    interpreter, _, script = COMMANDS[language]
    if not shutil.which(interpreter):
        pytest.skip(f"no {interpreter}")
    listed = subprocess.run([interpreter, CONNECTORS / script], env={**os.environ, "BREAK": "list"}, timeout=30,
                            stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    tried = {name for row in TABLE if row[0] == language for name in row[1].split("+") if name}
    assert tried == set(listed)
