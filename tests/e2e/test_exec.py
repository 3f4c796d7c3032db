"""The connector as our child: --exec and demo start it, show what it said, and leave nothing behind."""
import re
import signal
import time

import pytest
from servers import alive, descendants, free_port, until

QUICK = "core/first-contact"


@pytest.fixture
def connector(program):
    """A port and the command that listens there."""
    port = free_port()
    return f"http://127.0.0.1:{port}/", f"{program} connector --port {port} --secret s3cret"


def test_a_command_is_started_and_ended(play, connector, tmp_path):
    url, command = connector
    done = play(url, QUICK, "--exec", f"echo $$ > pid; exec {command}")
    assert (done.code, done.failed) == (0, [])
    assert not alive((tmp_path / "pid").read_text().strip())


def test_it_is_asked_to_end_before_it_is_killed(play, connector, tmp_path):
    url, command = connector
    trap = f"trap 'echo bye > bye; kill $!; exit' TERM; {command} & wait"
    assert play(url, QUICK, "--exec", trap).code == 0
    assert (tmp_path / "bye").read_text() == "bye\n"


def test_one_that_does_not_want_to_end_is_killed(play, connector, tmp_path):
    url, command = connector
    stubborn = f"trap '' TERM; echo $$ > pid; {command} & while :; do wait; done"
    start = time.monotonic()
    assert play(url, QUICK, "--exec", stubborn).code == 0
    assert time.monotonic() - start < 6 and not alive((tmp_path / "pid").read_text().strip())


def test_grandchildren_end_too(play, connector, tmp_path):
    url, command = connector
    family = f"(sleep 1000 & echo $! > grandchild; sleep 1001 & echo $! > another; {command}; :); :"
    assert play(url, QUICK, "--exec", family).code == 0
    for name in ("grandchild", "another"):
        assert not alive((tmp_path / name).read_text().strip())


@pytest.mark.parametrize("command, said, end", [
    ("true", "", "ended with status 0"),
    ("echo cannot find module express >&2; exit 3", "cannot find module express", "ended with status 3"),
    ("no-such-command --port 1", "no-such-command: not found", "ended with status 127"),
    ("kill -SEGV $$", "", "was killed by signal 11 (Segmentation fault)"),
])
def test_one_that_ends_at_once(play, command, said, end):
    start = time.monotonic()
    done = play(f"http://127.0.0.1:{free_port()}/", QUICK, "--exec", command)
    assert time.monotonic() - start < 5
    assert done.code == 3 and done.out == "" and said in done.err and f"pimsim: the connector {end}\n" in done.err
    assert done.err.splitlines()[-1].endswith("did not answer: the connection was refused")


def test_one_that_never_listens(play, tmp_path):
    url = f"http://127.0.0.1:{free_port()}/"
    done = play(url, QUICK, "--exec", "echo $$ > pid; echo starting up; exec sleep 1000", "--exec-timeout", "300ms")
    assert done.code == 3 and "starting up" in done.err
    assert done.err.splitlines()[-1] == f"pimsim run: {url} did not answer: the connection was refused"
    assert not alive((tmp_path / "pid").read_text().strip())


def test_a_flood_of_output_neither_stops_it_nor_us(play, connector):
    url, command = connector
    done = play(url, QUICK, "--exec", f"yes 'an endless log' & {command}")
    assert (done.code, done.failed) == (0, [])


def test_the_last_words_of_a_flood_are_shown(play):
    done = play(f"http://127.0.0.1:{free_port()}/", QUICK, "--exec", "seq 200000; echo 'fatal: no database'; exit 1")
    assert done.code == 3 and "199999\n200000\nfatal: no database\n" in done.err and len(done.err) < 6000


def test_it_inherits_nothing_of_ours(play):
    done = play(f"http://127.0.0.1:{free_port()}/", QUICK, "--exec", "ls /proc/self/fd; exit 1")
    assert re.search(r"output ---\n0\n1\n2\n3\n\n", done.err)  # 3 is the folder itself


def test_it_keeps_its_environment(play):
    done = play(f"http://127.0.0.1:{free_port()}/", QUICK, "--exec", "echo secret is $PIMSIM_SECRET; exit 1",
                env={"PIMSIM_SECRET": "for the connector"})
    assert "secret is for the connector" in done.err


def test_one_that_is_killed_in_the_middle(play, tmp_path):
    port = free_port()
    (tmp_path / "mortal.py").write_text(f"""
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = 0
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Handler.seen += 1
        if Handler.seen == 100:
            os.write(2, b"out of memory\\n")
            os.kill(os.getpid(), 9)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_HEAD = lambda self: (self.send_response(200), self.send_header("Content-Length", "0"), self.end_headers())
    log_message = lambda *_: None
http.server.ThreadingHTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
""")
    done = play(f"http://127.0.0.1:{port}/", "--exec", "exec /usr/bin/python3 mortal.py")
    assert done.code == 1 and "ack/deadline" in done.failed and done.end == "given-up"
    assert "out of memory" in done.err and "the connector was killed by signal 9 (Killed)" in done.err
    assert "gives no answers any more" in done.err


def test_what_is_wrong_with_the_request_is_found_before_it_is_started(play, tmp_path):
    (tmp_path / "kept.ndjson").write_text("precious")
    for wrong in (["no-such-scenario"], ["--require", "ack/deadlin"], ["--speed", "fast"], ["--header", "Host: x"]):
        done = play("http://127.0.0.1:9/", *wrong, "--exec", "touch started", "--journal", "kept.ndjson")
        assert done.code == 2 and done.err.count("\n") == 1
    assert not (tmp_path / "started").exists() and (tmp_path / "kept.ndjson").read_text() == "precious"


# ---- when we are the ones who end ------------------------------------------------------------------


def family(process, tmp_path):
    """What the process has started, once it is delivering."""
    journal = tmp_path / "run.ndjson"
    until(lambda: journal.exists() and '"answer"' in journal.read_text())
    return descendants(process.pid)


def long_run(launch, connector, *args):
    url, command = connector
    return launch("run", "-u", url, "-s", "s3cret", "--journal", "run.ndjson", "delivery/load", "--speed", "1", *args,
                  "--exec", f"sleep 1000 & {command}; :")


def test_nobody_outlives_our_sudden_death(launch, connector, tmp_path):
    process = long_run(launch, connector)
    others = family(process, tmp_path)
    assert len(others) >= 4  # the keeper, the shell, sleep, the connector
    process.kill()
    process.wait()
    until(lambda: not any(map(alive, others)))


def test_demo_leaves_nobody_behind(launch, tmp_path):
    process = launch("demo", "delivery/load", "--speed", "1", "--journal", "run.ndjson")
    others = family(process, tmp_path)
    assert len(others) == 2
    process.kill()
    process.wait()
    until(lambda: not any(map(alive, others)))


def test_sigint_ends_the_run_and_the_connector(launch, connector, pimsim, tmp_path):
    process = long_run(launch, connector)
    others = family(process, tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130 and "the run ended early" in out and "Sanitizer" not in err
    assert not any(map(alive, others))
    assert '"reason":"interrupted"' in (tmp_path / "run.ndjson").read_text().splitlines()[-1]
    assert pimsim("judge", "run.ndjson").stdout == out


def test_a_second_sigint_ends_us_at_once(launch, connector, tmp_path):
    url, command = connector
    process = launch("run", "-u", url, "-s", "s3cret", "--journal", "run.ndjson", "delivery/load", "--speed", "1",
                     "--exec", f"trap '' TERM; {command} & while :; do wait; done")
    others = family(process, tmp_path)
    process.send_signal(signal.SIGINT)
    until(lambda: '"interrupted"' in (tmp_path / "run.ndjson").read_text())
    process.send_signal(signal.SIGINT)
    process.wait()
    assert process.returncode == -signal.SIGINT
    until(lambda: not any(map(alive, others)))


def test_sigint_while_the_connector_starts(launch, tmp_path):
    process = launch("run", "-u", f"http://127.0.0.1:{free_port()}/", "-s", "x", "--exec", "echo $$ > pid; exec sleep 1000")
    pid = until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130 and err == "pimsim run: interrupted before the connector was ready\n"
    assert not alive(pid)


# ---- demo ------------------------------------------------------------------------------------------


def test_demo_is_deaf_to_what_is_meant_for_pimsim(play):
    done = play(None, QUICK, command="demo", env={
        "PIMSIM_SECRET": "another", "PIMSIM_SECRET_SECONDARY": "more", "PIMSIM_DB": "/nowhere/at/all", "PIMSIM_PORT": "1"})
    assert (done.code, done.failed) == (0, [])


def test_demo_with_a_bug_from_the_environment(play):
    done = play(None, QUICK, command="demo", env={"PIMSIM_BUG": "ack-202"})
    assert (done.code, done.failed) == (0, ["ack/status"])


def test_demo_for_an_unknown_bug(pimsim):
    done = pimsim("demo", "--bug", "ack-20")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith('pimsim demo: --bug: no bug is called "ack-20"')
