"""Where and how the connector's state is looked at, and every way in which that can go wrong: the verdict is right, the
reason says what happened, and the kept journal gives the same report, byte for byte."""
import itertools
import json
import os
import re
import shlex
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT, player_in
from servers import Server, alive, answer, descendants, free_port, serving, until
from shop import Shop, page, rows, serve

SCENARIO = {
    "title": "A copy changes nothing", "story": "Half of the events come a second time.",
    "stream": [{"event": "product.created", "entities": 3, "catalog": True},
               {"event": "product.updated", "times": 2, "catalog": True, "delta": True}],
    "faults": [{"duplicate": {"share": 0.5, "after": "1s..3s"}}],
    "effects": "idem/state", "rules": ["idem/state", "ack/duplicate"]}
CRASH = {
    "title": "Acknowledged is acknowledged", "story": "The connector is killed in the moment after it said 200.",
    "stream": [{"event": "product.created", "entities": 2, "catalog": True}],
    "faults": [{"restart": {"share": 0.5, "how": "acked", "after": "0ms..3ms"}}],
    "effects": "durable/ack", "rules": ["durable/ack"]}
QUICK = ["-p", "events-api", "--ack-deadline", "10s", "--settle", "60ms"]


class Looker:
    """Plays the small scenario, or those given, and looks at the state."""

    def __init__(self, folder):
        self.folder, self.play = folder, player_in(folder)
        for name, scenario in (("small.json", SCENARIO), ("crash.json", CRASH)):
            (folder / name).write_text(json.dumps(scenario))

    def judged(self, url, *args, names=("small.json",), options=QUICK, **more):
        done = self.play(url, *options, *names, *args, **more)
        done.snapshots = [r for r in done.records if r["record"] == "snapshot"]
        return done

    def look(self, show, *args, shop=None, path="state", take=None, **more):
        """For a sound shop, or another, whose state is seen through show(shop, request)."""
        with serve(shop or Shop(), show, take) as server:
            done = self.judged(server.url, "--state-url", server.url + path, *args, **more)
            done.requests = [r for r in server.requests if r.method == "GET"]
            return done


@pytest.fixture
def judged(tmp_path):
    return Looker(tmp_path).judged


@pytest.fixture
def look(tmp_path):
    return Looker(tmp_path).look


def inconclusive(done, reason, rule="idem/state"):
    assert (done.code, done.failed, done.verdicts[rule]) == (4, [], "inconclusive"), (done.out, done.err)
    assert re.search(reason, done.reasons[rule]), done.reasons[rule]


# ---- shapes ----------------------------------------------------------------------------------------


def other_rows(shop, _, others=[json.dumps({"id": n, "uuid": f"{n:08x}-5f1c-4b7e-9d10-{n * 7919:012x}", "sku": f"shoe-{n}",
                                            "changes": n % 7}) for n in range(50_000)]):
    mine = [json.dumps(row) for row in shop.table()]
    return page("[" + ",".join([*others[:25_000], *mine, *others[25_000:]]) + "]")


def changed(change):
    return lambda shop, _: page(json.dumps([change(row) for row in shop.table()]))


def text(shop, _):
    return page("".join(f"{row['uuid']} changes={row['changes']} updated={row['updated']}\n" for row in shop.table()))


def with_history(shop, _):
    return page(json.dumps({"products": shop.table(), "webhook_log": shop.history}))


def strange_bytes(before):
    return lambda shop, _: page(before + "".join(json.dumps(row) + "\n" for row in shop.table()).encode())


def inside(piece):
    """Bytes inside of one of our own strings, all alike."""
    return lambda shop, _: page(json.dumps([{**row, "note": "HERE"} for row in shop.table()]).encode().replace(b"HERE", piece))


SHAPES = {
    "rows": rows,
    "among 50,000 rows of others": other_rows,
    "a map by uuid": lambda shop, _: page(json.dumps({row["uuid"]: row for row in shop.table()})),
    "a map by row number": lambda shop, _: page(json.dumps({str(row["id"]): row for row in shop.table()})),
    "a tree": lambda shop, _: page(json.dumps({"ok": True, "data": {"shop": {"items": {"edges": [
        {"node": {"product": row}} for row in shop.table()]}}}})),
    "NDJSON": strange_bytes(b""),
    "NDJSON without a last newline": lambda shop, _: page("\n".join(json.dumps(row) for row in shop.table())),
    "CRLF": lambda shop, _: page("\r\n".join(json.dumps(row) for row in shop.table())),
    "text": text,
    "pretty": lambda shop, _: page(json.dumps(shop.table(), indent=4)),
    "a byte order mark": lambda shop, _: page(b"\xef\xbb\xbf" + json.dumps(shop.table()).encode()),
    "upper-case ids": changed(lambda row: {**row, "uuid": row["uuid"].upper()}),
    "ids without dashes": changed(lambda row: {**row, "uuid": row["uuid"].replace("-", "")}),
    "upper-case ids without dashes, in URLs alone": changed(lambda row: {
        "href": "https://shop.example/p/" + row["uuid"].replace("-", "").upper() + "?v=1", "changes": row["changes"]}),
    "GIDs": changed(lambda row: {**row, "uuid": f"gid://shop/Product/{row['uuid']}", "sku": None}),
    "a history on purpose": with_history,
    "invalid UTF-8 in a line of others": strange_bytes(b'{"name": "caf\xe9 \xff\xfe"}\n'),
    "NUL in a line of others": strange_bytes(b'{"name": "a\0b"}\n\0\0\n'),
    "invalid UTF-8 in our strings": inside(b"caf\xe9 \xed\xa0\x80 \xc0\x80 \xf8"),
    "an escaped NUL in our strings": inside(b"a\\u0000b"),
    "lone surrogates in our strings": inside(b"\\ud800"),
    "NUL in our strings": inside(b"a\0b"),
    "control characters in our strings": inside(b"\x01\x1b[31m\x7f"),
    "lines and quotes in our strings": inside(b'\r\n\ta \\"b\\"\n, ]\n'),
    "NaN and Infinity": changed(lambda row: {**row, "min": float("-inf"), "max": [1, float("nan")], "all": [float("inf")]}),
    "a comma too many": lambda shop, _: page("[\n" + "".join(json.dumps(row, indent=1) + ",\n" for row in shop.table()) + "]\n"),
    "JSON inside a string": changed(lambda row: {"uuid": row["uuid"], "doc": json.dumps(row)}),
    "another order each time": lambda shop, _, turn=itertools.count(): page(json.dumps(
        (lambda table, k: table[k:] + table[:k])(shop.table(), next(turn) % 5))),
    "a random tag in every answer": changed(lambda row: {**row, "etag": os.urandom(8).hex()}),
    "a counter of looks": lambda shop, _, turn=itertools.count(): page(json.dumps(
        (lambda look: [{**row, "looks": look} for row in shop.table()])(next(turn)))),
    "a clock and a request id beside it": lambda shop, _, turn=itertools.count(): page(json.dumps(
        {"now": time.time(), "request": next(turn), "products": shop.table()})),
    "chunks": lambda shop, _: b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%c\r\n" % (1, byte) for byte in json.dumps(shop.table()).encode()) + b"0\r\n\r\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sound_shop_passes_in_every_shape(look, shape):
    done = look(SHAPES[shape])
    assert (done.code, done.failed, done.verdicts["idem/state"]) == (0, [], "pass"), (done.out, done.reasons)


@pytest.mark.parametrize("shape", SHAPES)
def test_copies_that_count_are_found_in_every_shape(look, shape):
    done = look(SHAPES[shape], shop=Shop(counts=True))
    assert (done.code, done.failed) == (1, ["idem/state"]), (done.out, done.reasons)
    assert "changes" in done.out or shape == "text"


def test_thousands_of_rows_of_its_own_are_there_before(look):
    shop = Shop()
    for n in range(5000):
        shop.rows[f"{n:08x}-0000-4000-8000-000000000000"] = {
            "id": n, "uuid": f"{n:08x}-0000-4000-8000-000000000000", "sku": f"old-{n}", "changes": 3, "updated": "", "values": {}}
    done = look(rows, shop=shop)
    assert done.code == 0 and done.verdicts["idem/state"] == "pass"
    assert sum(r["record"] == "state" for r in done.records) == 9


# ---- pages -----------------------------------------------------------------------------------------


def pages(link, size=2):
    """Pages of two rows; link(number) gives the members and the headers that name the next page."""

    def show(shop, request):
        number = int(dict(p.split("=") for p in request.target.partition("?")[2].split("&") if p).get("page", 0))
        table = shop.table()
        members, headers = link(number + 1, request) if (number + 1) * size < len(table) else ({}, {})
        return page(json.dumps({"items": table[number * size:][:size], **members}), **headers)

    return show


def host(request):
    return "http://" + request.headers["host"]


PAGES = {
    "absolute": lambda n, r: ({"next": f"{host(r)}/state?page={n}"}, {}),
    "relative": lambda n, r: ({"next": f"?page={n}"}, {}),
    "a path": lambda n, r: ({"links": {"next": f"/state?page={n}"}}, {}),
    "as Akeneo has it": lambda n, r: ({"_links": {"next": {"href": f"{host(r)}/state?page={n}"}}}, {}),
    "a Link header": lambda n, r: ({}, {"Link": f'</state?page=0>; rel="first", <{host(r)}/state?page={n}>; rel="next"'}),
    "a relative Link header": lambda n, r: ({}, {"link": f"<?page={n}>;rel=next"}),
    "both": lambda n, r: ({"next": f"?page={n}"}, {"Link": f"<?page={n}>; rel=next"}),
    "the same host by another name": lambda n, r: ({"next": f"{host(r)}/state?page={n}".replace("127.0.0.1", "localhost")}, {}),
}


@pytest.mark.parametrize("link", PAGES)
@pytest.mark.parametrize("counts", [False, True], ids=["sound", "broken"])
def test_pages_are_followed(look, link, counts):
    done = look(pages(PAGES[link]), shop=Shop(counts))
    assert done.failed == (["idem/state"] if counts else []), done.reasons
    assert done.verdicts["idem/state"] == ("fail" if counts else "pass")
    assert sum(r["record"] == "state" for r in done.records) == 9


@pytest.mark.parametrize("link, reason", [
    (lambda n, r: ({"next": "/state"}, {}), "its pages lead in a circle: page 1 names page 1 as the next"),
    (lambda n, r: ({"next": "http://shop.example/state?page=2"}, {}), r"the next page after page 1 cannot be read: .*shop\.example"),
    (lambda n, r: ({"next": "ftp://127.0.0.1/x"}, {}), "the next page after page 1 cannot be read"),
    (lambda n, r: ({"next": "http://127.0.0.1:1/x"}, {}), "the next page after page 1 cannot be read"),
], ids=["a circle", "another host", "another protocol", "another port"])
def test_pages_that_cannot_be_followed(look, link, reason):
    inconclusive(look(pages(link)), "could not be looked at: state-url 1: " + reason)


# ---- nothing to see --------------------------------------------------------------------------------

NOTHING = {
    "empty": page(""), "an empty list": page("[]"), "an empty object": page("{}"), "null": page("null"),
    "a word": page("ok"), "not JSON": page('[{"uuid": '), "204": answer(204).encode().replace(b"Content-Length: 0\r\n", b""),
    "an error page with 200": page("<!DOCTYPE html>\n<html><h1>500 Internal Server Error</h1></html>", Content_Type="text/html"),
    "only rows of others": page(json.dumps([{"uuid": "00000000-0000-4000-8000-000000000000"}])),
    "deep": page("[" * 200_000), "noise": page(bytes(range(256)) * 100), "NULs": page(b"\0" * 4096),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_state_that_shows_nothing(look, name):
    inconclusive(look(lambda *_: NOTHING[name]), "A and A'|nothing|no (record|product)")


FAILING = {
    "an error page": (page("<html><h1>Oops</h1></html>", 500), r"it answered 500$"),
    "an error in words": (page('{"error": "no such table: products"}', 500), r'it answered 500: \{"error": "no such table: products"\}'),
    "404": (page("Cannot GET /state", 404), "it answered 404: Cannot GET /state"),
    "a redirect": (page("", 302, Location="/login"), "it answered 302 and points to .*/login"),
    "401": (page("who are you", 401), "it answered 401: who are you"),
    "a bell in an error": (page("\x07\x1b[31mred\x1b[0m", 500), "it answered 500"),
    "half an answer": (b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n[", "."),
    "no HTTP": (b"hello\r\n\r\n", "what came back was not HTTP"),
    "nothing": (b"", "."),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_state_that_cannot_be_looked_at(judged, name):
    sends, reason = FAILING[name]

    def talk(_, connection):
        while request := connection.request():
            if request.method == "GET":
                connection.send(sends)
                if name in ("half an answer", "nothing"):
                    return
            else:
                connection.send(answer())

    with Server(talk) as server:
        done = judged(server.url, "--state-url", server.url)
    inconclusive(done, "could not be looked at: state-url 1: " + reason)
    assert "\x1b" not in done.out and "\x07" not in done.out


def test_a_failure_that_passes_is_none(look):
    turns = itertools.count()
    done = look(lambda shop, request: page("busy", 503) if next(turns) < 2 else rows(shop, request))
    assert done.code == 0 and done.verdicts["idem/state"] == "pass"


def test_a_state_url_that_refuses_connections(judged):
    with serve(Shop(), rows) as server:
        done = judged(server.url, "--state-url", f"http://127.0.0.1:{free_port()}/state")
    inconclusive(done, "could not be looked at: state-url 1: the connection was refused")


def test_a_state_url_that_never_answers(look):
    def show(shop, request):
        time.sleep(0.5)
        return rows(shop, request)

    inconclusive(look(show, "--state-timeout", "100ms"), "state-url 1: it did not answer within 0.1 s")


def test_a_state_that_needs_a_header(look):
    def show(shop, request):
        known = request.headers.get("authorization") == "Bearer t0ken" and request.headers.get("x-tenant") == "7"
        return rows(shop, request) if known else page("who are you", 401)

    headers = ["--state-header", "Authorization: Bearer t0ken", "--state-header", "X-Tenant:7"]
    done = look(show, *headers)
    assert done.code == 0 and done.verdicts["idem/state"] == "pass"
    inconclusive(look(show, *headers[:2]), "it answered 401")


def test_a_password_in_the_state_url_is_used_and_not_told(judged, tmp_path):
    def show(shop, request):
        return rows(shop, request) if request.headers.get("authorization") == "Basic bWU6aHVudGVyMg==" else page("", 401)

    with serve(Shop(), show) as server:
        done = judged(server.url, "--state-url", server.url.replace("//", "//me:hunter2@"))
    assert done.code == 0 and done.verdicts["idem/state"] == "pass"
    assert "hunter2" not in done.out + done.err + (tmp_path / "run.ndjson").read_text() + (tmp_path / "run.json").read_text()


# ---- how long a state is waited for ----------------------------------------------------------------


class Batches:
    """Answers at once and applies what came every few seconds, `most` events at a time."""

    def __init__(self, shop, every, most=10**9):
        self.shop, self.every, self.most, self.queue = shop, every, most, []
        self.over, self.lock = threading.Event(), threading.Lock()
        self.worker = threading.Thread(target=self.work)

    def __enter__(self):
        self.worker.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.worker.join()

    def take(self, body):
        with self.lock:
            self.queue.append(body)

    def work(self):
        while not self.over.wait(self.every):
            with self.lock:
                now, self.queue = self.queue[:self.most], self.queue[self.most:]
            for body in now:
                self.shop.take(body)


def slowly(look, counts):
    def show(shop, request):
        time.sleep(1)
        return rows(shop, request)

    return look(show, shop=Shop(counts), options=QUICK[:-2])


def restless(look, _):
    def show(shop, _):
        first, *others = shop.table() or [{}]
        return page(json.dumps([{**first, "stock": int(time.monotonic() * 2)}, *others]))

    return look(show, options=QUICK[:-2])


def endless(look, _):
    def show(shop, _, turn=itertools.count()):
        return page(json.dumps({"items": shop.table(), "next": f"?page={next(turn)}"}))

    return look(show)


def in_batches(every, most=10**9):
    def run(look, counts):
        shop = Shop(counts)
        with Batches(shop, every, most) as batches:
            return look(rows, shop=shop, take=batches.take, options=QUICK[:-2])

    return run


PATIENCE = {"a second a look": slowly, "every two seconds": in_batches(2), "twenty a second": in_batches(1, 20),
            "three each half second": in_batches(0.5, 3)}


@pytest.fixture(scope="module", autouse=True)
def patience(tmp_path_factory):
    """Those that mostly wait do so all at once, beside the other tests: patience(run, counts) is what came of it."""
    jobs = [(run, counts) for run in PATIENCE.values() for counts in (False, True)] + [(restless, False), (endless, False)]
    with ThreadPoolExecutor(len(jobs)) as pool:
        results = {job: pool.submit(job[0], Looker(tmp_path_factory.mktemp("slow")).look, job[1]) for job in jobs}
        yield lambda run, counts=False: results[run, counts].result()


@pytest.mark.parametrize("settle, seconds", [("50ms", 0.05), ("1500ms", 1.5)])
def test_settle_is_how_long_the_state_stands_still(look, settle, seconds):
    done = look(rows, options=[*QUICK[:-1], settle])
    assert done.code == 0 and seconds <= done.snapshots[-1]["took_us"] / 1e6 < seconds + 1


# ---- commands --------------------------------------------------------------------------------------


@pytest.fixture
def command(judged, tmp_path):
    """command(text) plays for a sound shop whose state is the output of the command; state.json has its rows."""

    def run(text, *args, counts=False):
        class Written(Shop):
            def take(self, body):
                super().take(body)
                with self.lock:
                    (tmp_path / "new").write_text(json.dumps(list(self.rows.values())))
                    (tmp_path / "new").rename(tmp_path / "state.json")

        with serve(Written(counts), rows) as server:
            return judged(server.url, "--state-cmd", text, *args)

    return run


@pytest.mark.parametrize("text", ["cat state.json", "cat state.json; echo a warning >&2", "yes warning | head -n 100000 >&2; cat state.json",
                                  "cat state.json & wait", "sleep 1000 & cat state.json", "setsid sleep 5 & cat state.json",
                                  "cat < state.json; exec 1>&- 2>&-; :"])
def test_a_command(command, text):
    start = time.monotonic()
    assert command(text).verdicts["idem/state"] == "pass"
    assert command(text, counts=True).failed == ["idem/state"]
    assert time.monotonic() - start < 6


COMMANDS = {
    "hangs": ("echo $$ > pid; exec sleep 1000", r"it did not end within 0\.3 s and was killed"),
    "hangs and does not want to end": ("trap '' TERM HUP INT; echo $$ > pid; while :; do sleep 1; done", r"it did not end within 0\.3 s and was killed"),
    "says all and hangs": ("cat state.json; echo $$ > pid; exec sleep 1000", r"it did not end within 0\.3 s and was killed"),
    "a status": ("cat state.json; echo 'Error: no such table: products' >&2; exit 7", "it ended with status 7: Error: no such table: products"),
    "a crash": ("kill -SEGV $$", r"it was killed by signal 11 \(Segmentation fault\)"),
    "does not exist": ("no-such-program app.db", "it ended with status 127: .*no-such-program: not found"),
    "no such file": ("./state.sh", "it ended with status 127: .*not found"),
    "not executable": ("./small.json", "it ended with status 126: .*Permission denied"),
    "no shell": ("if then (", "it ended with status 2: .*[Ss]yntax error"),
    "says nothing": ("true", "A and A'|nothing"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_fails(command, tmp_path, name):
    text, reason = COMMANDS[name]
    start = time.monotonic()
    inconclusive(command(text, "--state-timeout", "300ms"), reason)
    assert time.monotonic() - start < 10
    if (tmp_path / "pid").exists():
        assert not alive((tmp_path / "pid").read_text().strip())


@pytest.mark.parametrize("text, reason", [("yes", "it printed more than 256 MiB and was killed|it did not end within"),
                                          ("yes >&2", "it did not end within"), ("cat /dev/zero", "it printed more than 256 MiB and was killed|it did not end within")])
def test_a_command_that_floods(command, text, reason):
    start = time.monotonic()
    inconclusive(command(text, "--state-timeout", "1s"), "state-cmd 1: (" + reason + ")")
    assert time.monotonic() - start < 15


# ---- several places --------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", ["[]", "", "<html></html>"])
@pytest.mark.parametrize("counts", [False, True], ids=["sound", "broken"])
def test_one_of_two_sources_shows_nothing(look, nothing, counts):
    done = look(rows, "--state-cmd", f"printf %s {shlex.quote(nothing)}", shop=Shop(counts))
    assert done.verdicts["idem/state"] == ("fail" if counts else "pass")


def test_one_of_two_sources_fails(look):
    inconclusive(look(rows, "--state-cmd", "echo gone >&2; exit 1"), "state-cmd 1: it ended with status 1: gone")


def test_two_urls_and_a_sink(judged):
    shop = Shop()
    with serve(shop, rows) as server:
        done = judged(server.url, "--state-url", server.url + "a", "--state-url", server.url + "b?c=d", "--sink", "0")
    assert done.code == 0 and done.verdicts["idem/state"] == "pass"
    assert {r["place"].split(":")[0] for r in done.records if r["record"] == "state"} == {"state-url 1", "state-url 2"}


# ---- mistakes of the user's: exit 2 before anything is sent ----------------------------------------

WRONG = {
    "not on this machine": (["--state-url", "http://192.0.2.1/state"], "192.0.2.1"),
    "a public name": (["--state-url", "https://shop.example/state"], "shop.example"),
    "no URL": (["--state-url", "app.db"], "app.db"),
    "another protocol": (["--state-url", "file:///etc/passwd"], "file"),
    "an empty URL": (["--state-url", ""], "state-url"),
    "no host": (["--state-url", "http://"], "state-url"),
    "no command": (["--state-cmd", ""], "--state-cmd: there is no command"),
    "no header": (["--state-url", "http://127.0.0.1/", "--state-header", "t0ken"], '"t0ken" is not'),
    "a header of two lines": (["--state-url", "http://127.0.0.1/", "--state-header", "A: b\r\nC: d"], "is not"),
    "a header for nothing": (["--state-header", "A: b", "--state-cmd", "true"], "--state-header: there is no --state-url"),
    "no port": (["--sink", "shop"], '--sink: "shop" is not a port'),
    "a large port": (["--sink", "65536"], '--sink: "65536" is not a port'),
    "an answer for nothing": (["--sink-answer", "* 404", "--state-cmd", "true"], "--sink-answer: there is no --sink"),
    "an answer without a status": (["--sink", "0", "--sink-answer", "/x"], "--sink-answer"),
    "no time": (["--state-cmd", "true", "--settle", "soon"], "--settle"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_of_the_users(judged, name):
    args, message = WRONG[name]
    with serve(Shop(), rows) as server:
        done = judged(server.url, *args)
    assert done.code == 2 and done.out == "" and not done.records and not server.requests
    assert done.err.startswith("pimsim run: ") and message in done.err


def test_a_sink_on_a_taken_port(judged):
    with serve(Shop(), rows) as server:
        done = judged(server.url, "--sink", str(server.port))
        assert done.code in (2, 3) and done.out == "" and not server.requests
    assert "--sink" in done.err and str(server.port) in done.err and "in use" in done.err


# ---- no way to look --------------------------------------------------------------------------------

LACK = "no way to look at the connector's state: give --state-url, --state-cmd or --sink"


def test_only_effects_and_no_way_to_look(judged):
    with serve(Shop(), rows) as server:
        done = judged(server.url, names=("effects",))
    assert done.code == 2 and not server.requests and done.out == ""
    assert done.err == f"pimsim run: none of these scenarios can be played: there is {LACK}\n"


def test_only_crashes_and_no_way_to_restart(look):
    done = look(rows, names=("crash",))
    assert done.code == 2 and not done.requests
    assert done.err == "pimsim run: none of these scenarios can be played: there is no way to restart the connector: give --exec\n"


def test_some_effects_and_no_way_to_look(judged):
    with serve(Shop(), rows) as server:
        done = judged(server.url, names=("core/first-contact", "effects/duplicates", "effects/stale-changes"))
    assert (done.code, done.failed) == (0, []) and f"2 scenarios skipped: {LACK}\n" in done.err
    for rule in ("idem/state", "order/stale"):
        assert (done.verdicts[rule], done.reasons[rule]) == ("not-observed", LACK)
    assert done.report["scenarios"] == ["core/first-contact"] and "give --state-url" in done.out


@pytest.mark.parametrize("require", ["idem/state", "order/stale", "durable/ack"])
def test_a_required_rule_that_nobody_can_see(pimsim, require):
    with serve(Shop(), rows) as server:
        done = pimsim("run", "-u", server.url, "-s", "x", *QUICK, "--require", require, "core/first-contact", "effects/duplicates")
    assert done.returncode == 4 and done.stdout.startswith("INCONCLUSIVE") and require in done.stdout


# ---- a connector that is killed --------------------------------------------------------------------


@pytest.fixture
def crash(judged, tmp_path):
    """crash(*habits) plays the small crash for shop.py, which is our child."""

    def run(*habits, args=(), name="crash.json"):
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        return judged(url, "--state-url", url, "--exec", starting(port, tmp_path, *habits), *args, names=(name,))

    return run


def starting(port, folder, *habits):
    return shlex.join([sys.executable, str(ROOT / "tests/e2e/shop.py"), str(port), str(folder), *habits])


def pids(path):
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def test_what_was_acknowledged_is_still_there(crash, tmp_path):
    done = crash()
    assert (done.code, done.failed, done.verdicts["durable/ack"]) == (0, [], "pass"), (done.out, done.err)
    assert len(pids(tmp_path / "starts")) == 2 and not any(map(alive, pids(tmp_path / "starts")))


def test_what_was_acknowledged_is_gone(crash):
    done = crash("forgets")
    assert (done.code, done.failed) == (1, ["durable/ack"])


def test_it_comes_back_slowly(crash):
    done = crash("slowly")
    assert done.code == 0 and done.verdicts["durable/ack"] == "pass"
    assert next(r for r in done.records if r["record"] == "restart")["took_us"] > 1_000_000


@pytest.mark.parametrize("habit, why, said", [
    ("never", "did not answer: the connection was refused", "the database is broken"),
    ("elsewhere", "did not answer: the connection was refused", ""),
    ("hangs", "did not answer: the connection was refused", ""),
    ("lock", "did not answer: the connection was refused", "another one is running: see"),
])
def test_it_does_not_come_back(crash, tmp_path, habit, why, said):
    done = crash(habit, args=["--exec-timeout", "700ms"])
    assert (done.code, done.failed, done.end) == (1, ["durable/ack"], "given-up"), (done.out, done.err)
    assert why in done.came["durable/ack"] and said in done.err
    assert next(r for r in done.records if r["record"] == "restart")["failed"]
    assert not any(map(alive, pids(tmp_path / "starts")))


def test_it_dies_when_its_state_is_looked_at(crash, tmp_path):
    done = crash("shy", name="small.json")
    inconclusive(done, "could not be looked at: state-url 1: the connection was refused")
    assert "the connector ended with status 1" in done.err and "it is private" in done.err


def test_it_leaves_its_children_behind(crash, tmp_path):
    done = crash("family")
    try:
        assert done.code == 0 and done.verdicts["durable/ack"] == "pass"
        assert len(pids(tmp_path / "children")) == 2 and not any(map(alive, pids(tmp_path / "children")))
    finally:
        for pid in pids(tmp_path / "daemons"):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


# ---- the user, or the machine, ends it -------------------------------------------------------------


def records_of(path):
    lines = path.read_text().split("\n")
    assert lines[-1] == ""
    return [json.loads(line) for line in lines[:-1]]


def test_sigint_while_the_state_settles(launch, pimsim, tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SCENARIO))
    with serve(Shop(), rows) as server:
        process = launch("run", "-u", server.url, "-s", "x", "-p", "events-api", "--journal", "run.ndjson", "small.json",
                         "--state-url", server.url, "--settle", "60s", "--report-json", "run.json")
        until(lambda: sum(r.method == "GET" for r in list(server.requests)) > 3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130 and time.monotonic() - start < 2
    assert records_of(tmp_path / "run.ndjson")[-1]["reason"] == "interrupted"
    pimsim("judge", "run.ndjson", "--report-json", "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "run.json").read_bytes()
    report = json.loads((tmp_path / "run.json").read_text())
    assert [f["verdict"] for f in report["findings"] if f["rule"] == "idem/state"] == ["inconclusive"]


def test_sigint_while_a_command_looks(launch, tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SCENARIO))
    with serve(Shop(), rows) as server:
        process = launch("run", "-u", server.url, "-s", "x", "-p", "events-api", "--journal", "run.ndjson", "small.json",
                         "--state-cmd", "echo $$ > pid; exec sleep 1000")
        pid = until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130 and not alive(pid)
    assert records_of(tmp_path / "run.ndjson")[-1]["reason"] == "interrupted"


def test_pimsim_is_killed_while_a_command_looks(launch, tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SCENARIO))
    with serve(Shop(), rows) as server:
        process = launch("run", "-u", server.url, "-s", "x", "-p", "events-api", "small.json",
                         "--state-cmd", "trap '' TERM HUP; sleep 1000 & echo $! $$ > new; mv new pids; wait")
        others = until(lambda: pids(tmp_path / "pids"))
        process.kill()
        until(lambda: not any(map(alive, others)))


def start_crash(launch, tmp_path, *habits):
    port = free_port()
    (tmp_path / "crash.json").write_text(json.dumps(CRASH))
    return launch("run", "-u", f"http://127.0.0.1:{port}/", "-s", "x", "-p", "events-api", "--journal", "run.ndjson",
                  "crash.json", "--state-url", f"http://127.0.0.1:{port}/", "--settle", "60ms", "--report-json", "run.json",
                  "--exec", starting(port, tmp_path, *habits))


def test_sigint_while_it_is_restarted(launch, pimsim, tmp_path):
    process = start_crash(launch, tmp_path, "hangs")
    until(lambda: len(pids(tmp_path / "starts")) == 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert not any(map(alive, pids(tmp_path / "starts")))
    records = records_of(tmp_path / "run.ndjson")
    assert records[-1]["reason"] == "interrupted" and not any(r["record"] == "restart" for r in records)
    pimsim("judge", "run.ndjson", "--report-json", "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "run.json").read_bytes()


def test_pimsim_is_killed_while_the_connector_restarts(launch, pimsim, tmp_path):
    process = start_crash(launch, tmp_path, "hangs")
    until(lambda: len(pids(tmp_path / "starts")) == 2)
    others = descendants(process.pid)
    assert others
    process.kill()
    process.wait()
    until(lambda: not any(map(alive, others)))
    done = pimsim("judge", "run.ndjson", "--report-json", "-")
    report = json.loads(done.stdout)
    assert done.returncode == 4 and report["interrupted"]
    assert {f["rule"]: f["verdict"] for f in report["findings"]}["durable/ack"] == "inconclusive"


def test_pimsim_is_killed_while_the_state_settles(launch, pimsim, tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SCENARIO))
    with serve(Shop(), rows) as server:
        process = launch("run", "-u", server.url, "-s", "x", "-p", "events-api", "--journal", "run.ndjson", "small.json",
                         "--state-url", server.url, "--settle", "60s")
        until(lambda: sum(r.method == "GET" for r in list(server.requests)) > 3)
        process.kill()
        process.wait()
    done = pimsim("judge", "run.ndjson", "--report-json", "-")
    report = json.loads(done.stdout)
    assert done.returncode == 4 and report["interrupted"]
    assert {f["rule"]: f["verdict"] for f in report["findings"]}["idem/state"] == "inconclusive"


def test_a_cut_journal_with_states_is_judged(look, pimsim, tmp_path):
    look(rows, shop=Shop(counts=True))
    whole = (tmp_path / "run.ndjson").read_bytes()
    for part in range(1, 40):
        (tmp_path / "cut.ndjson").write_bytes(whole[:len(whole) * part // 40])
        done = pimsim("judge", "cut.ndjson", "--report-json", "-")
        report = json.loads(done.stdout)
        assert done.returncode == 4 and {f["verdict"] for f in report["findings"]} <= {
            "inconclusive", "not-observed", "not-applicable", "pass"}, part


@pytest.mark.parametrize("report", ["json", "junit", "tap"])
def test_a_report_to_a_full_disk(pimsim, tmp_path, report):
    (tmp_path / "small.json").write_text(json.dumps(SCENARIO))
    with serve(Shop(counts=True), rows) as server:
        done = pimsim("run", "-u", server.url, "-s", "x", *QUICK, "small.json", "--state-url", server.url,
                      f"--report-{report}", "/dev/full")
    assert done.returncode == 3 and "/dev/full" in done.stderr and "No space left" in done.stderr


def test_a_journal_to_a_device(pimsim, tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SCENARIO))
    with serve(Shop(), rows) as server:
        done = pimsim("run", "-u", server.url, "-s", "x", *QUICK, "small.json", "--state-url", server.url, "--journal", "/dev/full")
    assert done.returncode == 3 and done.stdout == "" and "/dev/full: a journal must be a regular file" in done.stderr


# ---- slow, late, restless: played beside the others ------------------------------------------------


@pytest.mark.parametrize("name", PATIENCE)
def test_a_sound_one_is_waited_for(patience, name):
    done = patience(PATIENCE[name])
    assert (done.code, done.failed, done.verdicts["idem/state"]) == (0, [], "pass"), done.reasons["idem/state"]


@pytest.mark.parametrize("name", PATIENCE)
def test_copies_that_count_late_are_found(patience, name):
    done = patience(PATIENCE[name], counts=True)
    assert (done.code, done.failed) == (1, ["idem/state"]), done.reasons["idem/state"]


def test_pages_without_end(patience):
    inconclusive(patience(endless), "it has more than 10000 pages|its pages took longer than 60 s")


def test_a_state_that_changes_for_ever(patience):
    done = patience(restless)
    inconclusive(done, r"never settled: state-url 1: /\[\] of product \d kept changing: /stock was \d+, then \d+$")
    assert 30 <= done.snapshots[-1]["took_us"] / 1e6 < 40
