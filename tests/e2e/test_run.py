"""pimsim run: where it delivers, what it puts on the wire, how it is paced, and how it ends."""
import base64
import collections
import json
import re
import signal
import statistics
import subprocess
import time

import pytest
from servers import SECRET, Server, answer, free_port, serving, sound, until, verdict_on

QUICK = "core/first-contact"
PLATFORMS = ["events-api", "aep"]
PATIENT = ["--ack-deadline", "10s"]  # for connectors that are sound: a busy machine must not make them fail


def scenario(tmp_path, name="mine.json", **parts):
    text = {"title": "Mine", "story": "Mine.", "stream": [{"event": "product.created", "entities": 10}], "rules": ["ack/deadline"]}
    (tmp_path / name).write_text(json.dumps({**text, **parts}))
    return name


# ---- where to --------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [
    "http://10.0.0.1/", "http://example.com/", "http://[::]/", "http://0.0.0.0/", "http://0/", "http://127.0.0.1.nip.io/",
    "http://127.0.0.1@evil.example/", "http://localhost.evil.example/", "http://evil.localhost.example/",
    "http://[::ffff:10.0.0.1]/", "http://3232235777/", "http://0x0a000001/", "https://[fe80::1]/", "http://notlocalhost/"])
def test_other_machines_are_refused(play, url):
    done = play(url, QUICK)
    assert done.code == 2 and done.out == "" and done.end is None
    assert "is not a loopback address; --allow-remote sends there all the same" in done.err


@pytest.mark.parametrize("url, why", [
    ("ftp://127.0.0.1/", "neither http nor https"), ("file:///etc/passwd", "neither http nor https"), ("", "no"),
    ("http://", "not a URL"), ("http://127.0.0.1:99999/", "not a URL"), ("http:// /", "not a URL"), ("127.0.0.1:80", "not a URL")])
def test_what_is_no_url(play, url, why):
    done = play(url, QUICK)
    assert done.code == 2 and why in done.err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(play, host):
    with sound(host=host) as server:
        assert play(server.url, QUICK).code == 0
    assert server.requests[0].headers["host"] == server.url[len("http://"):-1]


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "connector.localhost", "2130706433", "0x7f.1"])
def test_other_names_of_loopback(play, host):
    with sound() as server:
        assert play(server.url.replace("127.0.0.1", host), QUICK).code == 0


def test_path_query_and_user_go_out_as_with_curl(play):
    with sound(path="/hooks/p%20im?tenant=7&x=a/b#fragment") as server:
        assert play(server.url.replace("//", "//user:pa%40ss@"), QUICK).code == 0
    assert {r.target for r in server.requests} == {"/hooks/p%20im?tenant=7&x=a/b"}
    assert {r.headers["authorization"] for r in server.requests} == {"Basic " + base64.b64encode(b"user:pa@ss").decode()}


def test_a_redirect_is_told_without_our_password(play):
    with Server(serving(lambda request: answer(307, Location="/elsewhere"))) as server:
        done = play(server.url.replace("//", "//me:hunter2@"), QUICK)
    told = json.dumps(done.records) + json.dumps(done.report) + done.out + done.err
    assert done.verdicts["reach/redirect"] == "fail" and "hunter2" not in told
    assert done.answers[0]["location"] == server.url.replace("//", "//…@") + "elsewhere"


def test_proxies_of_the_environment_are_ignored(play):
    nowhere = f"http://127.0.0.1:{free_port()}"
    with sound() as server:
        done = play(server.url, QUICK, env={n: nowhere for n in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"]})
    assert done.code == 0 and len(server.requests) == 40


# ---- what --------------------------------------------------------------------------------------


def sent(done):
    """The journal's deliveries: {"fault/variant": [body, …]}."""
    bodies = {r["delivery"]: r["body"].encode() if "body" in r else base64.b64decode(r["body_base64"])
              for r in done.records if r["record"] == "body"}
    found = collections.defaultdict(list)
    for r in done.records:
        if r["record"] == "send" and r["kind"] == "events":
            found[f"{r['fault']}/{r['variant']}" if "fault" in r else None].append(bodies.get(r["delivery"], b""))
    return found


UNSIGNED = {"forge/" + name for name in
            ["random", "last-digit", "missing", "other-secret", "empty-secret", "tampered", "empty", "truncated", "over-long", "non-hex"]}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_signed_verifies_and_what_is_forged_does_not(play, platform):
    with sound() as server:
        done = play(server.url, "-p", platform, "core", "signatures", "delivery", *PATIENT)
    assert (done.code, done.failed) == (0, []), done.out
    signed = collections.Counter(r.body for r in server.requests if r.method == "POST" and r.signed())
    unsigned = collections.Counter(r.body for r in server.requests if r.method == "POST" and not r.signed())
    wanted_signed, wanted_unsigned = collections.Counter(), collections.Counter()
    variants = sent(done)
    for variant, bodies in variants.items():
        if variant != "disconnect/give-up":
            (wanted_unsigned if variant in UNSIGNED else wanted_signed).update(bodies)
    assert UNSIGNED <= set(variants) and {"malform/large", "malform/not-utf8", "bytes/unicode", "slow-body/trickle"} <= set(variants)
    assert wanted_unsigned - unsigned == unsigned - wanted_unsigned == collections.Counter()
    assert wanted_signed - signed == collections.Counter()
    cut = set(variants["disconnect/give-up"]) | {b""}  # some of them arrived; the Test button has no body
    assert set(signed - wanted_signed) <= cut


def test_duplicates_are_the_same_bytes(play):
    with sound() as server:
        done = play(server.url, "core/duplicates")
    bodies = collections.defaultdict(list)
    for request in server.requests:
        bodies[request.json["id"]].append(request.body)
    assert done.code == 0 and max(map(len, bodies.values())) > 1
    assert all(len(set(copies)) == 1 for copies in bodies.values())


def test_headers_of_the_event_platform(play):
    with sound() as server:
        assert play(server.url, QUICK, "--secret-secondary", "next", "-H", "X-Tenant: 7", "-H", "X-Empty:",
                    "--content-type", "application/cloudevents+json", "--subject", "sub-1").code == 0
    for request in server.requests:
        assert [name for name, _ in request.lines] == [
            "Host", "Content-Type", "User-Agent", "X-AKENEO-SIGNATURE-PRIMARY", "X-AKENEO-SIGNATURE-SECONDARY",
            "X-AKENEO-SIGNATURE-ALGORITHM", "X-Tenant", "X-Empty", "Content-Length"]
        assert request.signed() and request.signed("next") and request.json["subject"] == "sub-1"
        assert request.headers["x-tenant"] == "7" and request.headers["x-empty"] == ""
        assert request.headers["content-type"] == "application/cloudevents+json"
        assert request.headers["user-agent"] == "akeneo/event-platform"


def test_headers_of_the_events_api(play):
    with sound() as server:
        assert play(server.url, QUICK, "-p", "events-api", *PATIENT).code == 0
    for request in server.requests:
        assert {name for name, _ in request.lines} == {
            "Host", "Content-Type", "User-Agent", "X-Akeneo-Request-Signature", "X-Akeneo-Request-Timestamp", "Content-Length"}
        assert request.headers["content-type"] == "application/json" and b"/" in request.body
        assert not re.search(rb"(?<!\\)/|[^\x00-\x7f]", request.body)  # as PHP's json_encode


@pytest.mark.parametrize("header", ["Content-Type: x", "x-akeneo-signature-primary: x", "Host: x", "Cookie: x", "no colon",
                                    "User-Agent: x", "Authorization: x", "Content-Length: 1", "X-A: a\r\nX-B: b"])
def test_headers_of_the_platform_are_its_own(play, header):
    done = play("http://127.0.0.1:9/", QUICK, "-H", header)
    assert done.code == 2 and "--header: " in done.err


def test_empty_signatures_are_sent_empty(play, tmp_path):
    mine = scenario(tmp_path, faults=[{"forge": {"share": 1, "how": ["empty"]}}], rules=["sig/odd"])
    with sound() as server:
        play(server.url, mine, "--secret-secondary", "next")
    assert {r.headers["x-akeneo-signature-primary"] + r.headers["x-akeneo-signature-secondary"] for r in server.requests} == {""}


@pytest.mark.parametrize("version, identity", [("serenity", ["uuid", "identifier"]), ("7.0", ["uuid", "identifier"]),
                                               ("6.0", ["identifier"]), ("5.0", ["identifier"])])
def test_identity_by_pim_version(play, version, identity):
    with sound() as server:
        assert play(server.url, QUICK, "-p", "events-api", "--pim-version", version, *PATIENT).code == 0
    resource = server.requests[0].json["events"][0]["data"]["resource"]
    assert [name for name in ("uuid", "identifier") if name in resource] == identity


def bodies_of(play, *args):
    """What a server receives, without the moments of the day."""
    with sound() as server:
        assert play(server.url, *args, *PATIENT).code == 0
    moment = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.]\d+)?(Z|[+]00:00)?"
    return sorted(re.sub(moment, b"NOW", r.body) for r in server.requests)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_seed_repeats_what_is_sent(play, platform):
    args = ["core", "signatures", "-p", platform, "--seed"]
    first, again, other = bodies_of(play, *args, 7), bodies_of(play, *args, 7), bodies_of(play, *args, 8)
    assert first == again and first != other


def test_speed_changes_nothing_that_is_sent(play, tmp_path):
    mine = scenario(tmp_path, pace={"rate": 5})
    took = {}
    for speed in ("max", "1", "10"):
        start = time.monotonic()
        bodies = bodies_of(play, mine, "--seed", 7, "--speed", speed)
        took[speed] = time.monotonic() - start
        assert bodies == took.setdefault("bodies", bodies)
    assert took["1"] >= 1.8 > took["max"]  # ten events, 200 ms apart
    assert took["10"] >= 0.18


def test_a_pace_is_kept(play, tmp_path):
    mine = scenario(tmp_path, stream=[{"event": "product.created", "entities": 50}], pace={"rate": 100})
    with sound() as server:
        play(server.url, mine, "--speed", "1")
    gaps = [b.at - a.at for a, b in zip(server.requests, server.requests[1:])]
    assert statistics.median(gaps) == pytest.approx(0.01, rel=0.5)


# ---- when: deadlines and wire faults -------------------------------------------------------------


@pytest.mark.parametrize("args, seconds", [(["-p", "events-api"], 0.5), (["--ack-deadline", "120ms"], 0.12)])
def test_at_the_deadline_the_connection_is_closed(play, tmp_path, args, seconds):
    kept = []

    def talk(_, connection):
        start = time.monotonic()
        connection.request()
        connection.wait_closed()
        kept.append(time.monotonic() - start)

    with Server(talk) as server:
        done = play(server.url, scenario(tmp_path), *args)
    assert {a["outcome"] for a in done.answers} == {"timeout"} and len(kept) == 10
    assert all(a["total_us"] >= seconds * 1e6 for a in done.answers)
    assert statistics.median(kept) < seconds + 0.4  # the server's own threads may start late
    assert f"no answer within {int(seconds * 1000)} ms" in done.reasons["ack/deadline"]


def test_an_answer_just_before_the_deadline_counts(play, tmp_path):
    def late(request):
        time.sleep(1.1)
        return answer(verdict_on(request))

    with Server(serving(late)) as server:
        done = play(server.url, scenario(tmp_path, rules=["ack/deadline", "ack/headroom"]), "--ack-deadline", "2s")
    assert (done.code, done.failed) == (0, ["ack/headroom"])
    assert 1_090_000 < statistics.median(a["ack_us"] for a in done.answers) < 1_500_000


def test_a_slow_body_trickles(play, tmp_path):
    with sound() as server:
        done = play(server.url, scenario(tmp_path, faults=[{"slow-body": {"share": 1, "over": "200ms"}}]))
    assert done.code == 0 and len(server.requests) == 10
    assert all(request.signed() for request in server.requests)
    assert statistics.median(len(request.pieces) for request in server.requests) >= 5
    assert statistics.median(request.pieces[-1] - request.pieces[0] for request in server.requests) > 0.1


def test_a_slow_body_survives_a_connection_that_was_closed(play, tmp_path):
    def talk(server, connection):
        request = connection.request()
        if request:
            server.requests.append(request)
            connection.send(answer(verdict_on(request)))
            if connection.more():
                connection.reset()

    mine = scenario(tmp_path, pace={"concurrency": 1}, faults=[{"slow-body": {"share": 0.5, "over": "20ms"}}])
    with Server(talk) as server:
        done = play(server.url, mine)
    assert (done.code, done.failed) == (0, []) and len(server.requests) == 10


def test_a_sender_that_gives_up_closes(play, tmp_path):
    kept = []

    def talk(_, connection):
        start = time.monotonic()
        connection.request()
        connection.wait_closed()
        kept.append(time.monotonic() - start)

    with Server(talk) as server:
        done = play(server.url, scenario(tmp_path, faults=[{"disconnect": {"share": 1, "after": "50ms"}}]))
    assert {a["outcome"] for a in done.answers} == {"gave-up"} and len(kept) == 10
    assert 0.02 < statistics.median(kept) < 0.15
    assert done.code == 4 and done.failed == []  # nobody is blamed, and nothing is shown


# ---- our own end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "junit", "tap"])
def test_a_report_on_a_full_disk(pimsim, kind):
    with sound() as server:
        done = pimsim("run", "-u", server.url, "-s", SECRET, QUICK, f"--report-{kind}", "/dev/full")
    assert done.returncode == 3 and done.stdout.startswith("CONFORMS")
    assert done.stderr.splitlines()[-1] == "pimsim run: /dev/full: No space left on device"


def test_a_journal_that_is_no_file(pimsim):
    with sound() as server:
        done = pimsim("run", "-u", server.url, "-s", SECRET, QUICK, "--journal", "/dev/full")
    assert (done.returncode, done.stdout) == (3, "") and not server.requests
    assert done.stderr.startswith("pimsim run: /dev/full: a journal must be a regular file")


def test_a_journal_that_does_not_fit(program, tmp_path):
    with sound() as server:
        done = subprocess.run(
            ["sh", "-c", 'trap "" XFSZ; ulimit -f 20; exec "$@"', "-", program, "run", "-u", server.url, "-s", SECRET, "core",
             "--journal", "small.ndjson"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and done.stderr.splitlines()[-1] == "pimsim run: small.ndjson: File too large"


def test_stdout_that_is_full_or_closed(program, tmp_path):
    with sound() as server:
        for redirect in (">/dev/full", ">&-"):
            done = subprocess.run(["sh", "-c", f'"$@" {redirect}', "-", program, "run", "-q", "-u", server.url, "-s", SECRET, QUICK],
                                  cwd=tmp_path, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (3, "pimsim: could not write to standard output\n")
        done = subprocess.run(["sh", "-c", '"$@" 2>&-', "-", program, "run", "-u", server.url, "-s", SECRET, QUICK],
                              cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.startswith("CONFORMS")


def test_few_descriptors_blame_nobody(program, tmp_path):
    with sound() as server:
        done = subprocess.run(
            ["sh", "-c", 'ulimit -n 40; exec "$@"', "-", program, "run", "-u", server.url, "-s", SECRET, "delivery/crowd"],
            cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{server.url}: the request could not be made: " in done.stderr


def running(launch, server, tmp_path, *args):
    process = launch("run", "-u", server.url, "-s", SECRET, "delivery/load", "--speed", "1", "--journal", "run.ndjson", *args)
    until(lambda: len(server.requests) >= 100)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_what_there_is(launch, pimsim, tmp_path, number):
    with sound() as server:
        process = running(launch, server, tmp_path, "--report-json", "run.json")
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 130 and "the run ended early" in out and "Sanitizer" not in err
    records = [json.loads(line) for line in (tmp_path / "run.ndjson").read_text().splitlines()]
    assert records[-1]["reason"] == "interrupted"
    answers = [r for r in records if r["record"] == "answer"]
    assert {a["status"] for a in answers} == {200} and 0 <= len(server.requests) - len(answers) <= 50
    again = pimsim("judge", "run.ndjson", "--report-json", "-")
    report = json.loads(again.stdout)
    assert report == json.loads((tmp_path / "run.json").read_text()) and report["interrupted"]
    assert not [f for f in report["findings"] if f["verdict"] == "fail"]


def test_sigint_with_a_connector_that_never_answers(launch, tmp_path):
    held = []

    def talk(_, connection):
        held.append(connection.request())
        connection.wait_closed()

    with Server(talk) as server:
        process = launch("run", "-u", server.url, "-s", SECRET, QUICK)
        until(lambda: held)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130 and time.monotonic() - start < 2


def test_a_killed_run_leaves_a_journal_that_can_be_judged(launch, pimsim, tmp_path):
    with sound() as server:
        process = running(launch, server, tmp_path)
        process.kill()
        process.wait()
        text = (tmp_path / "run.ndjson").read_text()
    lines = text.splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    answers = [r for r in records if r["record"] == "answer"]
    assert len(lines) - len(records) <= 1  # the last line may be cut
    # One turn of the loop may be missing; what was answered 50 requests ago is there.
    assert len(answers) >= len(server.requests) - 50
    report = json.loads(pimsim("judge", "run.ndjson", "--report-json", "-").stdout)
    assert report["interrupted"] and not [f for f in report["findings"] if f["verdict"] == "fail"]
