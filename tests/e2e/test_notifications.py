"""--notification-url: whoever gave it hears of suspensions, and how it answers is judged."""
import hashlib
import hmac
import json
import signal
import time

import pytest
from servers import SECRET, Server, answer, free_port, serving, sound, until, verdict_on

OWN = "a-shared-secret-of-its-own"
RULE = "flow/notification"


@pytest.fixture
def hours(play, tmp_path):
    """hours(url, notification_url, …) plays ten minutes with an outage that suspends, and somebody who resumes."""

    def run(url, told, *args, **parts):
        text = {"title": "T", "story": "S", "platforms": ["aep"], "rules": [RULE, "ack/deadline"],
                "stream": [{"event": "product.created", "entities": 600}], "pace": {"rate": 1},
                "flow": {"resume": "1m"}, "faults": [{"outage": {"from": "30s", "for": "60s"}}], **parts}
        (tmp_path / "mine.json").write_text(json.dumps(text))
        return play(url, "mine.json", "--notification-url", told, "--notification-secret", OWN, "--seed", "1", *args)

    return run


def sends(done):
    return [r for r in done.records if r["record"] == "send" and r["kind"] == "notification"]


def test_it_comes_with_its_own_signature(hours):
    with sound(path="/hook") as connector, Server(serving(lambda request: answer(204)), path="/told") as told:
        done = hours(connector.url, told.url)
    assert done.code == 0 and done.verdicts[RULE] == "pass" and done.verdicts["ack/deadline"] == "pass"
    assert [r.json["notification_type"] for r in told.requests] == ["subscription.suspended.system", "subscription.resumed"]
    for request in told.requests:
        assert request.method == "POST" and request.target == "/told"
        assert request.headers["x-akeneo-signature-primary"] == hmac.new(OWN.encode(), request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-akeneo-signature-algorithm"] == "HmacSHA256"
        assert request.headers["content-type"] == "application/json" and request.headers["user-agent"] == "akeneo/event-platform"
        assert request.json["destination"] == connector.url
        assert request.json["events"] == ["com.akeneo.pim.v1.product.created"]
        assert request.json["subscription_id"] == connector.requests[0].json["subject"]
    assert told.requests[0].json["reason"] == "Success rate dropped below 90%" and "reason" not in told.requests[1].json
    assert not any("notification_type" in request.json for request in connector.requests)


def test_the_platform_s_decision_comes_first_and_the_stream_waits(hours):
    with sound() as connector, Server(serving(lambda request: answer(204))) as told:
        done = hours(connector.url, told.url)
    moments = {r["kind"]: r["at_us"] for r in done.records if r["record"] == "notice" and r["kind"] in ("suspended", "resumed")}
    assert [s["virtual_us"] // 10**6 for s in sends(done)] == [moments[k] // 10**6 for k in ("suspended", "resumed")]
    (tally,) = (r for r in done.records if r["record"] == "tally")
    parts = ["acknowledged", "dropped", "discarded", "withheld", "lost", "pending"]
    assert tally["events"] == 600 == sum(tally[part] for part in parts) and tally["suspensions"] == 1


@pytest.mark.parametrize("status, attempts", [(500, 3), (429, 3), (400, 1), (302, 1)])
def test_one_that_is_not_taken_is_a_finding(hours, status, attempts):
    started = time.monotonic()
    with sound() as connector, Server(serving(lambda request: answer(status, Location="/x"))) as told:
        done = hours(connector.url, told.url)
    assert done.code == 0 and done.failed == [RULE]  # a SHOULD rule
    assert len(told.requests) == 2 * attempts and len({request.body for request in told.requests}) == 2
    assert [s["attempt"] for s in sends(done)] == 2 * list(range(1, attempts + 1))
    assert f"{2 * attempts} of {2 * attempts} attempts to notify were not acknowledged; the first was answered {status}" in done.reasons[RULE]
    (finding,) = (f for f in done.report["findings"] if f["rule"] == RULE)
    assert {e["expected"] for e in finding["evidence"]} == {"2xx within 5 s"}
    assert "subscription.suspended.system" in finding["evidence"][0]["request"]
    assert time.monotonic() - started < 6  # ten minutes, and waits of 1 and 2 seconds: skipped


def test_nobody_there(hours):
    with sound() as connector:
        done = hours(connector.url, f"http://127.0.0.1:{free_port()}/")
    assert done.failed == [RULE] and len(sends(done)) == 6 and "refused" in done.reasons[RULE]


def test_no_answer_within_five_seconds(hours):
    def talk(server, connection):
        while request := connection.request():
            server.requests.append(request)
            if len(server.requests) == 1:
                connection.wait_closed()
                return
            connection.send(answer(200))

    with sound() as connector, Server(talk) as told:
        done = hours(connector.url, told.url)
    assert done.failed == [RULE] and len(told.requests) == 3
    assert "1 of 3 attempts to notify was not acknowledged: it got no answer within 5 s" in done.reasons[RULE]


def test_a_404_suspends_and_is_told(hours):
    count = iter(range(1000))

    def reply(request):
        return answer(404 if next(count) == 5 else verdict_on(request))

    with Server(serving(reply)) as connector, Server(serving(lambda request: answer(200))) as told:
        hours(connector.url, told.url, faults=[{"delay": {"share": 0.01}}])
    assert told.requests[0].json["reason"] == "The endpoint answered 404 Not Found"


def test_the_connector_itself_may_be_told(hours):
    with sound() as connector:
        done = hours(connector.url, connector.url, "--notification-secret", SECRET + "-and-longer")
    assert done.failed == [RULE]  # it knows another secret
    assert done.verdicts["ack/deadline"] == "pass"  # and is not blamed for more than that


def test_without_a_url_nobody_is_told(pimsim, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({
        "title": "T", "story": "S", "rules": ["ack/deadline", RULE], "stream": [{"event": "product.created", "entities": 60}],
        "pace": {"rate": 1}, "flow": {}, "faults": [{"outage": {"from": "10s", "for": "60s"}}], "platforms": ["aep"]}))
    with sound() as server:
        done = pimsim("run", "-u", server.url, "-s", SECRET, "mine.json", "--report-json", "-")
    (finding,) = (f for f in json.loads(done.stdout)["findings"] if f["rule"] == RULE)
    assert done.returncode == 0 and finding["verdict"] == "not-observed"


def test_the_reference_connector_takes_notifications(play, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({
        "title": "T", "story": "S", "rules": ["ack/deadline", RULE], "stream": [{"event": "product.created", "entities": 200}],
        "pace": {"rate": 1}, "flow": {"resume": "1m"}, "faults": [{"outage": {"from": "10s", "for": "60s"}}], "platforms": ["aep"]}))
    done = play(None, "mine.json", command="demo")
    assert done.code == 0 and done.verdicts[RULE] == "pass" and len(sends(done)) == 2


@pytest.mark.parametrize("args, why", [
    (["--notification-url", "http://10.0.0.1/"], "--notification-url: http://10.0.0.1/: 10.0.0.1 is not a loopback address"),
    (["--notification-url", "ftp://127.0.0.1/"], "--notification-url: ftp://127.0.0.1/: neither http nor https"),
    (["--notification-url", "http://127.0.0.1/", "-p", "events-api"], "only the Event Platform notifies"),
    (["--notification-secret", OWN], "there is no --notification-url that it could go with"),
    (["--notification-url", "http://127.0.0.1/", "--notification-secret", "short"], "the platform takes 16 to 256 characters")])
def test_what_is_no_use(pimsim, args, why):
    done = pimsim("run", "-u", "http://127.0.0.1:1/", "-s", SECRET, *args)
    assert done.returncode == 2 and why in done.stderr


def test_neither_secret_nor_password_is_shown(hours):
    with sound() as connector, Server(serving(lambda request: answer(400))) as told:
        done = hours(connector.url, told.url.replace("//", "//me:hidden@"))
    text = json.dumps(done.records) + json.dumps(done.report) + done.out + done.err
    assert len(told.requests) == 2 and OWN not in text and "hidden" not in text
    assert "--notification-url" in done.report["command"]


def test_an_interrupt_does_not_wait_for_an_answer(launch, tmp_path):
    def talk(server, connection):
        server.requests.append(connection.request())
        connection.wait_closed()

    (tmp_path / "mine.json").write_text(json.dumps({
        "title": "T", "story": "S", "rules": [RULE], "stream": [{"event": "product.created", "entities": 60}], "platforms": ["aep"],
        "pace": {"rate": 1}, "flow": {}, "faults": [{"outage": {"from": "10s"}}]}))
    with sound() as connector, Server(talk) as told:
        run = launch("run", "-u", connector.url, "-s", SECRET, "mine.json", "--notification-url", told.url, "--journal", "j.ndjson")
        until(lambda: told.requests)
        started = time.monotonic()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
    assert run.returncode == 130 and time.monotonic() - started < 4 and "Sanitizer" not in err
    records = [json.loads(line) for line in (tmp_path / "j.ndjson").read_text().splitlines()]
    assert records[-1]["reason"] == "interrupted" and len([r for r in records if r.get("kind") == "notification"]) == 1
