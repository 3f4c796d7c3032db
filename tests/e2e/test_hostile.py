"""Connectors that fail in every way that a socket allows: the run ends soon, with the right verdict, a
message that says what happened, and a journal that is judged alike offline (see `play`)."""
import itertools
import json
import re
import socket
import threading
import time

import pytest
from servers import Server, answer, free_port, serving, sound, verdict_on

PATIENT = ["--ack-deadline", "10s"]  # for connectors that are sound: a busy machine must not make them fail
QUICK = ["core/first-contact", "-p", "events-api", *PATIENT]


def raw(reply):
    """Read the head of a request, say `reply`, wait for the client to close."""

    def talk(_, connection):
        connection.request()
        connection.send(reply)
        connection.wait_closed()

    return Server(talk)


def hang_up(_, connection):
    connection.request()


def reset_at_once(_, connection):
    connection.reset()


def never_answer(server, connection):
    while request := connection.request():
        server.requests.append(request)


# ---- nobody there ----------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["events-api", "aep"])
def test_nobody_listens(play, platform):
    url = f"http://127.0.0.1:{free_port()}/"
    done = play(url, "-p", platform)
    assert done.code == 3 and done.out == "" and done.end == "unreachable"
    assert done.err.splitlines()[-1] == f"pimsim run: {url} could not be reached: the connection was refused"


def test_an_unreachable_run_can_still_be_judged(play, pimsim):
    play(f"http://127.0.0.1:{free_port()}/")
    judged = pimsim("judge", "run.ndjson")
    assert judged.returncode == 1 and "ack/deadline" in judged.stdout


def test_a_name_that_does_not_exist(play):
    done = play("http://nowhere.invalid/", "--allow-remote")
    assert done.code == 3 and "could not be reached" in done.err and "nowhere.invalid" in done.err


# ---- somebody there, and no answer -----------------------------------------------------------------

SILENT = {
    "resets at once": (reset_at_once, "closed or reset before an answer came"),
    "hangs up": (hang_up, "closed or reset before an answer came"),
    "never answers": (never_answer, "no answer within 200 ms"),
}
BROKEN = {
    "half a status line, then waits": ("HTTP/1.1 20", "no answer within 200 ms"),
    "half a header, then waits": ("HTTP/1.1 200 OK\r\nContent-Le", "no answer within 200 ms"),
    "half a body, then waits": ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "200 came, but its answer did not end"),
    "100 and nothing more": ("HTTP/1.1 100 Continue\r\n\r\n", "no answer within 200 ms"),
    "garbage": ("\x00\x01\x02 go away\r\n\r\n", "not HTTP"),
    "HTTP/0.9": ("<html>hello</html>", "not HTTP"),
    "HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not HTTP"),
    "HTTP/2 frames": ("\x00\x00\x00\x04\x00\x00\x00\x00\x00", "not HTTP"),
    "another protocol": ("220 mail.example ESMTP\r\n", "not HTTP"),
}


def silent_run(play, server):
    start = time.monotonic()
    done = play(server.url, "-p", "events-api", "--ack-deadline", "200ms")
    assert time.monotonic() - start < 5
    assert done.code == 1 and done.end == "given-up" and "ack/deadline" in done.failed
    assert f"{server.url} gives no answers any more" in done.err
    assert re.search(r"[1-9]\d* of [1-9]\d* valid deliveries were not acknowledged; the first got no answer", done.reasons["ack/deadline"])
    return done


@pytest.mark.parametrize("name", SILENT)
def test_no_answer_at_all(play, name):
    talk, came = SILENT[name]
    with Server(talk) as server:
        assert came in silent_run(play, server).reasons["ack/deadline"]


@pytest.mark.parametrize("name", BROKEN)
def test_no_whole_answer(play, name):
    reply, came = BROKEN[name]
    with raw(reply) as server:
        assert came in silent_run(play, server).reasons["ack/deadline"]


@pytest.mark.parametrize("reply", ["HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_half_an_answer_then_closes(play, reply):
    def talk(_, connection):
        connection.request()
        connection.send(reply)

    with Server(talk) as server:
        silent_run(play, server)


def test_silence_ends_a_run_at_the_platforms_own_deadline(play):
    with Server(never_answer) as server:
        start = time.monotonic()
        done = play(server.url, "-p", "events-api")
        assert time.monotonic() - start < 8
    assert done.code == 1 and "no answer within 500 ms" in done.reasons["ack/deadline"]


def test_one_at_a_time_silence_ends_after_a_few_deadlines(play, tmp_path):
    (tmp_path / "slow.json").write_text(json.dumps({
        "title": "One at a time", "story": "Somebody edits by hand.", "stream": [{"event": "product.created", "entities": 100}],
        "pace": {"concurrency": 1}, "rules": ["ack/deadline"]}))
    with Server(never_answer) as server:
        done = play(server.url, "slow.json", "--ack-deadline", "100ms")
    assert done.code == 1 and 4 <= len(done.answers) <= 6


# ---- too much of an answer -------------------------------------------------------------------------


def test_an_answer_of_100_mb_is_not_read(play):
    sent = []

    def talk(server, connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        block = b"x" * 1_000_000
        for _ in range(100):
            connection.send(block)
            sent.append(len(block))

    with Server(talk) as server:
        done = play(server.url, *QUICK)
    assert done.code == 0 and "longer than 1048576 bytes" in done.answers[0]["detail"]
    assert sum(sent) < 40 * 20_000_000  # of 40 times 100 MB


@pytest.mark.parametrize("piece", ["5\r\nhello\r\n", "10000\r\n" + "x" * 65536 + "\r\n"], ids=["trickles", "floods"])
def test_a_chunked_answer_without_end(play, piece):
    def talk(_, connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(piece)
            time.sleep(0.001 if len(piece) < 100 else 0)

    with Server(talk) as server:
        done = play(server.url, *QUICK, "--ack-deadline", "100ms")
    outcomes = {a["outcome"] for a in done.answers}
    assert outcomes <= {"answered", "timeout"} and done.code in (0, 1)
    if len(piece) < 100:
        assert done.code == 1 and "200 came, but its answer did not end" in done.reasons["ack/deadline"]


def test_headers_without_end(play):
    def talk(_, connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\n")
        for n in itertools.count():
            connection.send(f"X-{n}: {'y' * 1000}\r\n" * 100)

    with Server(talk) as server:
        done = play(server.url, *QUICK)
    assert done.code == 1 and "ack/deadline" in done.failed


def test_one_header_without_end(play):
    def talk(_, connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\nX: ")
        while True:
            connection.send("y" * 65536)

    with Server(talk) as server:
        done = play(server.url, *QUICK)
    assert done.code == 1 and "ack/deadline" in done.failed and "a header of the answer was too long" in done.out


# ---- sound connectors with habits: none of them is to blame ----------------------------------------


def close_after_each(server, connection):
    request = connection.request()
    if request:
        server.requests.append(request)
        connection.send(answer(verdict_on(request)))


def close_sometimes(server, connection):
    for _ in range(3):
        request = connection.request()
        if not request:
            return
        server.requests.append(request)
        connection.send(answer(verdict_on(request)))


def drop_the_next(server, connection):
    """Reset a kept connection when its second request comes: the race of an idle timeout."""
    request = connection.request()
    if request:
        server.requests.append(request)
        connection.send(answer(verdict_on(request)))
        if connection.more():
            connection.reset()


def say_close(server, connection):
    request = connection.request()
    if request:
        server.requests.append(request)
        connection.send(answer(verdict_on(request), Connection="close"))


def until_closed(server, connection):
    request = connection.request()
    if request:
        server.requests.append(request)
        connection.send(f"HTTP/1.0 {verdict_on(request)} X\r\n\r\n" + ("" if request.method == "HEAD" else "done"))


def continue_first(server, connection):
    while request := connection.request():
        server.requests.append(request)
        connection.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n")
        connection.send(answer(verdict_on(request)))


def byte_by_byte(server, connection):
    while request := connection.request():
        server.requests.append(request)
        for byte in answer(verdict_on(request)):
            connection.send(byte)


def chunked(server, connection):
    while request := connection.request():
        server.requests.append(request)
        body = "" if request.method == "HEAD" else "2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n"
        connection.send(f"HTTP/1.1 {verdict_on(request)} X\r\nTransfer-Encoding: chunked\r\n\r\n" + body)


@pytest.mark.parametrize("platform", ["events-api", "aep"])
@pytest.mark.parametrize("habit", [close_after_each, close_sometimes, drop_the_next, say_close, until_closed,
                                   continue_first, byte_by_byte, chunked], ids=lambda f: f.__name__)
def test_a_sound_connector_may(play, habit, platform):
    with Server(habit) as server:
        done = play(server.url, "-p", platform, "core", "signatures", "delivery/large", "delivery/malformed",
                    *PATIENT, *(["--secret-secondary", "next"] if platform == "aep" else []))
    assert (done.code, done.failed) == (0, []), (done.out, done.err)
    assert done.end == "complete" and {a["outcome"] for a in done.answers} == {"answered"}


def test_a_refusal_may_come_before_the_body_is_read(play):
    def talk(server, connection):
        method, _, lines = connection.head()
        signed = any("signature" in name.lower() and len(value) == 64 for name, value in lines)
        connection.send(answer(200 if signed else 401, Connection="close"))
        if signed:
            connection.wait_closed()

    with Server(talk) as server:
        done = play(server.url, "signatures/missing", *PATIENT)
    assert (done.code, done.failed) == (0, [])


def test_a_body_may_be_read_in_small_pieces(play):
    def talk(server, connection):
        while head := connection.head():
            length = int(dict(head[2]).get("Content-Length", 0))
            while len(connection.buffer) < length:
                connection.buffer += connection.sock.recv(4096)
            connection.buffer = connection.buffer[length:]
            connection.send(answer())

    with Server(talk) as server:
        done = play(server.url, "delivery/large", *PATIENT)
    assert (done.code, done.failed) == (0, [])


# ---- falling over in the middle --------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["events-api", "aep"])
def test_a_connector_that_dies_in_the_middle(play, platform):
    alive = itertools.count()

    def talk(server, connection):
        while request := connection.request():
            if next(alive) >= 25:
                with server.lock:
                    if server.listener.fileno() >= 0:
                        server.listener.shutdown(socket.SHUT_RDWR)
                return
            server.requests.append(request)
            connection.send(answer(verdict_on(request)))

    class Mortal(Server):
        def __exit__(self, *_):
            try:
                super().__exit__(*_)
            except OSError:
                self.acceptor.join()

    start = time.monotonic()
    with Mortal(talk) as server:
        done = play(server.url, "-p", platform)
    assert time.monotonic() - start < 10
    assert done.code == 1 and done.end == "given-up" and "ack/deadline" in done.failed
    assert "gives no answers any more, the rest was not played: the connection was refused" in done.err


def test_redirects_are_not_followed(play):
    elsewhere = []
    with Server(serving(lambda r: elsewhere.append(r) or answer())) as other:
        with Server(serving(lambda r: answer(307, Location=other.url))) as server:
            done = play(server.url, "core")
    assert done.code == 1 and done.failed == ["reach/redirect"] and not elsewhere
    assert done.answers[0]["location"] == other.url and other.url in done.out


@pytest.mark.parametrize("status", [500, 404, 204, 999, 100])
def test_every_delivery_gets_the_same_status(play, status):
    with Server(serving(lambda r: answer(status))) as server:
        done = play(server.url, *QUICK, "--ack-deadline", "200ms")
    assert done.failed == (["ack/status"] if status == 204 else ["ack/deadline"])
    assert done.code == (0 if status == 204 else 1)
