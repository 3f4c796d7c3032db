"""--event-log: the log that the PIM shows of the Events API, of connectors that err and are silent."""
import collections
import datetime
import json
import re

import pytest
from servers import SECRET, Server, answer, free_port, serving, sound, verdict_on

LINE = re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) (ERROR|WARNING|NOTICE|INFO) (.+?\.) (\{.*\}|\[\])")
SENT = "The API event request was sent."
ERRED = "The endpoint returned an error."
SILENT = "The endpoint failed to answer under 500 ms."
FULL = "The maximum number of requests per hour has been reached."
OWN = "The event was not sent because it was raised by the same connection."
LEVELS = {SENT: "INFO", ERRED: "ERROR", SILENT: "ERROR", FULL: "WARNING", OWN: "NOTICE"}

Line = collections.namedtuple("Line", "at message context")


@pytest.fixture
def log(play, tmp_path):
    """log(url, scenario, …) plays it on the Events API and reads the log."""

    def run(url, *args, stream=None, **parts):
        if stream:
            text = {"title": "T", "story": "S", "rules": ["ack/deadline"], "platforms": ["events-api"]}
            (tmp_path / "mine.json").write_text(json.dumps({**text, "stream": stream, **parts}))
            args = ["mine.json", *args]
        done = play(url, *args, "--platform", "events-api", "--event-log", "pim.log")
        lines = []
        for text in (tmp_path / "pim.log").read_bytes().decode("ascii").splitlines():
            at, level, message, context = LINE.fullmatch(text).groups()
            assert level == LEVELS[message] and not re.search(r"(?<!\\)/", context), text
            lines.append(Line(datetime.datetime.strptime(at, "%Y/%m/%d %H:%M:%S"), message, json.loads(context)))
        return done, lines

    return run


def messages(lines):
    return collections.Counter(line.message for line in lines)


def test_every_request_is_a_line_with_its_events(log):
    with sound(path="/hook") as server:
        done, lines = log(server.url, "core/batches", "core/first-contact", "core/reachability")
    assert done.code == 0 and set(messages(lines)) == {SENT}
    wanted = [request.json["events"] for request in server.requests if request.body]
    assert len(lines) == len(wanted)
    fields = ["action", "event_id", "event_datetime", "author", "author_type"]
    by_id = {event["event_id"]: event for events in wanted for event in events}
    assert sum(len(line.context["events"]) for line in lines) == sum(map(len, wanted))
    for line in lines:
        assert line.context["event_subscription_url"] == server.url and line.context["status_code"] == 200
        assert line.context["headers"] == {"Content-Length": ["0"]}
        for event in line.context["events"]:
            resource = by_id[event["event_id"]]["data"]["resource"]
            assert {key: event[key] for key in fields} == {key: by_id[event["event_id"]][key] for key in fields}
            assert (event.get("product_identifier") or event["product_model_code"]) in [
                resource.get("identifier"), resource.get("code")]


def test_a_connector_that_errs_and_falls_silent(log):
    count = iter(range(1000))

    def reply(request):
        turn = next(count) % 4
        return [answer(200), answer(503, "later", Retry_After="5"), "what?\r\n\r\n", answer(302, Location="/x")][turn]

    with Server(serving(reply)) as server:
        done, lines = log(server.url, stream=[{"event": "product.updated", "entities": 12}], pace={"concurrency": 1})
    assert messages(lines) == {SENT: 6, ERRED: 3, SILENT: 3}
    assert sorted(line.context["status_code"] for line in lines if line.message == SENT) == [200] * 3 + [302] * 3
    by_signature = {request.headers.get("x-akeneo-request-signature"): request for request in server.requests}
    for line in lines:
        assert len(line.context["events"]) == 1
        if line.message == SILENT:
            assert set(line.context) == {"event_subscription_url", "events"}
        if line.message == ERRED:  # what was sent, not what came
            headers = line.context["headers"]
            request = by_signature[headers["X-Akeneo-Request-Signature"][0]]
            assert line.context["status_code"] == 503 and "Retry-After" not in headers
            assert {k.lower(): v for k, v in headers.items()} == {
                k: [v] for k, v in request.headers.items() if k != "content-length"}


def test_a_connector_that_takes_too_long(log):
    def talk(server, connection):
        while request := connection.request():
            server.requests.append(request)  # at once: the next may come before we know that this one ended
            if len(server.requests) in (2, 3):
                connection.wait_closed()
            else:
                connection.send(answer(verdict_on(request)))

    with Server(talk) as server:
        done, lines = log(server.url, stream=[{"event": "product.updated", "entities": 5}], pace={"concurrency": 1})
    assert messages(lines) == {SENT: 3, SILENT: 2}


def test_the_deadline_of_the_message_is_the_one_in_force(play, tmp_path):
    play(f"http://127.0.0.1:{free_port()}/", "core/first-contact", "-p", "events-api", "--event-log", "pim.log", "--ack-deadline", "2s")
    assert " ERROR The endpoint failed to answer under 2000 ms. {" in (tmp_path / "pim.log").read_text()


def test_the_quota_and_the_connection_s_own_events(log):
    with sound() as server:
        stream = [{"event": "product.created", "entities": 3, "own": True}, {"event": "product.created", "entities": 15}]
        done, lines = log(server.url, "--flow", "quota=10", stream=stream, flow={}, pace={"concurrency": 1})
    assert messages(lines) == {OWN: 3, SENT: 15, FULL: 1}
    for line in lines:
        if line.message == OWN:
            assert set(line.context) == {"event"}
            assert (line.context["event"]["author"], line.context["event"]["author_type"]) == ("connector_0000", "api")
        if line.message == FULL:
            assert line.context == []
    (pause,) = (i for i, line in enumerate(lines) if line.message == FULL)
    waited = [(line.at - lines[pause].at).total_seconds() for line in lines[pause:] if line.message == SENT]
    assert waited[0] < 5 and 3590 < waited[1] < 3610  # by the platform's clock; one was in flight


def test_an_outage(log):
    with sound() as server:
        outages = [{"outage": {"from": "10s", "for": "10s"}}, {"outage": {"from": "30s", "for": "10s", "how": "bad-gateway"}}]
        done, lines = log(server.url, stream=[{"event": "product.created", "entities": 50}], flow={}, pace={"rate": 1}, faults=outages)
    assert messages(lines) == {SENT: len(server.requests), SILENT: 10, ERRED: 10}
    assert {line.context["status_code"] for line in lines if line.message == ERRED} == {502}


def test_a_password_is_not_logged(log):
    with sound() as server:
        done, lines = log(server.url.replace("//", "//me:hidden@"), "core/first-contact")
    assert lines and "hidden" not in json.dumps([line.context for line in lines])


def test_aep_has_no_such_log(pimsim, tmp_path):
    done = pimsim("demo", "core/first-contact", "--event-log", "pim.log")
    assert done.returncode == 2 and "--event-log: only the Events API has this log" in done.stderr
    assert not (tmp_path / "pim.log").exists()


def test_a_full_disk_is_an_error(pimsim):
    done = pimsim("demo", "-p", "events-api", "core/first-contact", "--event-log", "/dev/full")
    assert done.returncode == 3 and done.stderr.splitlines()[-1] == "pimsim demo: /dev/full: No space left on device"


def test_a_folder_that_is_not_there(pimsim):
    with sound() as server:
        done = pimsim("run", "-u", server.url, "-s", SECRET, "-p", "events-api", "--event-log", "no/where.log")
    assert done.returncode == 3 and done.stderr == "pimsim run: no/where.log: No such file or directory\n"
    assert not server.requests


def test_the_log_on_stdout_stands_alone(pimsim):
    done = pimsim("demo", "-p", "events-api", "core/first-contact", "--event-log", "-")
    assert done.returncode == 0
    assert all(LINE.fullmatch(line) for line in done.stdout.splitlines()) and len(done.stdout.splitlines()) == 40
