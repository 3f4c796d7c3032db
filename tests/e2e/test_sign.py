"""pimsim sign: the requests it prints, judged by Python's own hmac, by curl and by pimsim verify."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import subprocess
import threading

import pytest
from conftest import PROGRAM, ROOT

NEUTRAL = [f"{kind}.{change}" for kind in ("product", "product_model") for change in ("created", "updated", "removed")]
EVENTS = [(platform, name) for platform in ("aep", "events-api") for name in
          sorted(set(NEUTRAL) | {path.stem for path in (ROOT / "fixtures" / platform).glob("*.json")})]


@pytest.fixture(name="pimsim")
def pimsim_in_bytes(pimsim):
    def run(*args, stdin=b"", **more):
        return pimsim(*args, input=stdin, text=False, **more)

    return run


def signature(secret, *parts):
    return hmac.new(secret.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def split(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def assert_signed(headers, body, secret):
    headers = {name.lower(): value for name, value in headers.items()}
    if "x-akeneo-request-signature" in headers:
        moment = headers["x-akeneo-request-timestamp"].encode()
        assert headers["x-akeneo-request-signature"] == signature(secret, moment, b".", body)
    else:
        assert headers["x-akeneo-signature-primary"] == signature(secret, body)
        assert headers["x-akeneo-signature-algorithm"] == "HmacSHA256"


@pytest.mark.parametrize("platform,event", EVENTS)
def test_every_event_is_signed_right(pimsim, platform, event):
    made = pimsim("sign", event, "-p", platform, "-s", "x y\u00e9", "--as", "http")
    assert made.returncode == 0, made.stderr
    first, headers, body = split(made.stdout)
    assert first == "POST / HTTP/1.1"
    assert headers["Host"] == "localhost:3000"
    assert int(headers["Content-Length"]) == len(body)
    json.loads(body)
    assert_signed(headers, body, "x y\u00e9")
    judged = pimsim("verify", "-s", "x y\u00e9", "--request", "-", stdin=made.stdout)
    assert judged.returncode == 0 and judged.stdout.startswith(b"valid"), judged.stdout


def test_secondary_secret_signs_a_second_header_on_aep_alone(pimsim):
    both = ("sign", "product.updated", "-s", "one", "--secret-secondary", "two")
    _, headers, body = split(pimsim(*both).stdout)
    assert headers["X-AKENEO-SIGNATURE-SECONDARY"] == signature("two", body)
    assert pimsim(*both, "-p", "events-api").returncode == 2


def test_the_test_button_posts_an_empty_signed_body(pimsim):
    made = pimsim("sign", "test", "-s", "x", "--timestamp", "1700000000")
    first, headers, body = split(made.stdout)
    assert (first, body, headers["Content-Length"]) == ("POST / HTTP/1.1", b"", "0")
    assert headers["X-Akeneo-Request-Signature"] == signature("x", b"1700000000.")
    assert pimsim("sign", "test", "-s", "x", "-p", "aep").returncode == 2


def test_forms_agree_with_each_other(pimsim):
    same = ("sign", "product.updated", "-p", "events-api", "-s", "x", "--seed", "7")
    _, headers, body = split(pimsim(*same).stdout)
    assert pimsim(*same, "--as", "body").stdout == body
    lines = pimsim(*same, "--as", "headers").stdout.decode().splitlines()
    assert lines == [f"{n}: {v}" for n, v in headers.items() if n not in ("Host", "Content-Length")]
    sample = json.loads(pimsim(*same, "--as", "json", "--target", "http://h/p").stdout)
    assert sample == {"method": "POST", "url": "http://h/p", "headers": dict(line.split(": ", 1) for line in lines),
                      "body": body.decode()}


def test_seed_repeats_a_sample_and_fixes_its_moment(pimsim):
    def made(*more):
        return pimsim("sign", "product.updated", "-p", "events-api", "-s", "x", *more).stdout

    assert made("--seed", "1") == made("--seed", "1") != made("--seed", "2")
    _, headers, body = split(made("--seed", "1"))
    assert headers["X-Akeneo-Request-Timestamp"] == "1767225600"
    assert json.loads(body)["events"][0]["event_datetime"] == "2026-01-01T00:00:00+00:00"
    assert made() != made()


def test_timestamp_is_taken_in_both_spellings(pimsim):
    for text in ("1700000000", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"):
        made = pimsim("sign", "product.updated", "-p", "events-api", "-s", "x", "--timestamp", text)
        _, headers, _ = split(made.stdout)
        assert headers["X-Akeneo-Request-Timestamp"] == "1700000000"
    assert pimsim("sign", "product.updated", "-s", "x", "--timestamp", "noon").returncode == 2


def test_target_and_headers_are_written_into_the_request(pimsim):
    first, headers, _ = split(pimsim("sign", "product.updated", "-s", "x", "-H", "X-Tenant: a b", "--target",
                                     "https://user:pass@example.test:8443/hook?a=1#part").stdout)
    assert first == "POST /hook?a=1 HTTP/1.1"
    assert headers["Host"] == "example.test:8443"
    assert headers["X-Tenant"] == "a b"
    for wrong in (("--target", "example.test"), ("--target", "http://a b/"), ("--target", "http:///x"),
                  ("-H", "X Y: 1"), ("-H", "X: 1\r\nY: 2"), ("-H", "nothing"), ("-H", "Host: x")):
        assert pimsim("sign", "product.updated", "-s", "x", *wrong).returncode == 2, wrong


# ---- --event-id and --set ---------------------------------------------------------------------------


def event_of(pimsim, platform, *sets, more=()):
    args = [arg for one in sets for arg in ("--set", one)]
    made = pimsim("sign", "product.updated", "-p", platform, "--as", "body", "--seed", "1", *args, *more)
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_event_id_is_the_one_asked_for(pimsim):
    wanted = "11111111-2222-4333-8444-555555555555"
    assert json.loads(event_of(pimsim, "aep", more=("--event-id", wanted)))["id"] == wanted
    body = event_of(pimsim, "events-api", more=("--event-id", wanted))
    assert json.loads(body)["events"][0]["event_id"] == wanted
    assert pimsim("sign", "product.updated", "-s", "x", "--event-id", "7").returncode == 2


def test_set_replaces_and_adds_members(pimsim):
    event = json.loads(event_of(pimsim, "aep", "/data/author/identifier=me", "/data/product/identifier=top",
                                '/data/more={"a":[1,null]}', "/data/more/a/0=true", "/data/a~1b~0c=", "/n=12",
                                "/text=[1", "/equals=a=b"))
    assert event["data"]["author"]["identifier"] == "me"
    assert event["data"]["product"]["identifier"] == "top"
    assert event["data"]["more"] == {"a": [True, None]}
    assert event["data"]["a/b~c"] == ""
    assert (event["n"], event["text"], event["equals"]) == (12, "[1", "a=b")


def test_set_spells_values_as_the_platform_does_and_keeps_numbers(pimsim):
    sets = ("/x=caf\u00e9/\U0001f600", '/y={"n": [800.0000, 9007199254740993, 1e3], "s": "a/b"}')
    body = event_of(pimsim, "events-api", *sets)
    assert rb'"x":"caf\u00e9\/\ud83d\ude00"' in body
    assert rb'"y":{"n":[800.0000,9007199254740993,1e3],"s":"a\/b"}' in body
    body = event_of(pimsim, "aep", *sets)
    assert '"x":"caf\u00e9/\U0001f600"'.encode() in body
    assert b'"y":{"n":[800.0000,9007199254740993,1e3],"s":"a/b"}' in body


def test_set_makes_an_object_of_an_empty_php_array(pimsim):
    event = json.loads(event_of(pimsim, "events-api", "/data/resource/values=[]", "/data/resource/values/name=x"))
    assert event["events"][0]["data"]["resource"]["values"] == {"name": "x"}


@pytest.mark.parametrize("text,said", [
    ("/data/prodct/uuid=1", b'no "prodct" in /data (did you mean product?)'),
    ("/dta/product/uuid=1", b'no "dta" in the event (did you mean data?)'),
    ("/data/product/uuid/deep=1", b'no "deep" in /data/product/uuid'),
    ("data=1", b"/pointer=value"),
    ("/data", b"/pointer=value"),
])
def test_set_says_where_a_pointer_ends(pimsim, text, said):
    made = pimsim("sign", "product.updated", "-s", "x", "--set", text)
    assert made.returncode == 2
    assert said in made.stderr, made.stderr


# ---- curl ------------------------------------------------------------------------------------------


@pytest.fixture
def receiver():
    """A server on a free port; its `requests` are (headers, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # pylint: disable=invalid-name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.requests.append((dict(self.headers.items()), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}/hook?a=1&b='2'"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def paste(command, tmp_path, stdin=b""):
    env = {**os.environ, "PATH": f"{(ROOT / PROGRAM).parent}:{os.environ['PATH']}"}
    return subprocess.run(["sh", "-c", command], input=stdin, cwd=tmp_path, env=env, check=True, timeout=60,
                          stdout=subprocess.PIPE)


@pytest.mark.parametrize("platform", ["aep", "events-api"])
@pytest.mark.parametrize("value", ["plain", "it's \"quoted\" $HOME `id` \\n !1", "two\nlines"],
                         ids=["plain", "shell", "lines"])
def test_curl_line_works_when_pasted(pimsim, receiver, tmp_path, platform, value):
    made = pimsim("sign", "product.updated", "-p", platform, "-s", "x", "--as", "curl", "--target", receiver.url,
                  "--set", f"/note={value}", "-H", "X-Note: it's", "-H", "X-Empty:")
    paste(made.stdout.decode(), tmp_path)
    (headers, body), = receiver.requests
    assert_signed(headers, body, "x")
    event = json.loads(body)
    assert (event["events"][0] if platform == "events-api" else event)["note"] == value
    assert (headers["X-Note"], headers["X-Empty"], headers["Content-Type"]) == ("it's", "", "application/json")


def test_curl_line_posts_the_test_button(pimsim, receiver, tmp_path):
    paste(pimsim("sign", "test", "-s", "x", "--as", "curl", "--target", receiver.url).stdout.decode(), tmp_path)
    (headers, body), = receiver.requests
    assert body == b""
    assert_signed(headers, body, "x")


def test_curl_line_pipes_a_body_that_no_argument_holds(pimsim, receiver, tmp_path):
    fixture = json.loads((ROOT / "fixtures/aep/com.akeneo.pim.v1.product.updated.json").read_text())
    fixture["data"]["large"] = "x" * 200_000
    (tmp_path / "it's large.json").write_text(json.dumps(fixture))
    made = pimsim("sign", "./it's large.json", "-s", "x", "--as", "curl", "--target", receiver.url, "--set", "/n=it's",
                  "--pim-version", "7.0")
    assert len(made.stdout) < 2000 and b"x" * 100 not in made.stdout
    paste(made.stdout.decode(), tmp_path)
    (headers, body), = receiver.requests
    assert len(body) > 200_000
    assert_signed(headers, body, "x")


@pytest.mark.parametrize("body", [b"a\0b\xff\n", b"@etc", b"y" * 150_000], ids=["nul", "at", "large"])
def test_curl_line_reads_a_captured_body_from_its_file(pimsim, receiver, tmp_path, body):
    (tmp_path / "it's.bin").write_bytes(body)
    made = pimsim("sign", "--body", "it's.bin", "-s", "x", "--as", "curl", "--target", receiver.url)
    paste(made.stdout.decode(), tmp_path)
    assert receiver.requests[0][1] == body
    assert_signed(*receiver.requests[0], "x")
    made = pimsim("sign", "--body", "-", "-s", "x", "--as", "curl", "--target", receiver.url, stdin=body)
    assert b"pipe it" in made.stderr
    paste(made.stdout.decode(), tmp_path, stdin=body)
    assert receiver.requests[1][1] == body
    assert_signed(*receiver.requests[1], "x")


# ---- many, and what goes wrong --------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["aep", "events-api"])
def test_count_prints_samples_each_of_its_own(pimsim, platform):
    made = pimsim("sign", "product.updated", "-p", platform, "-s", "x", "--seed", "1", "--count", "500")
    samples = [json.loads(line) for line in made.stdout.splitlines()]
    assert len(samples) == 500
    ids, entities = set(), set()
    for sample in samples:
        assert_signed(sample["headers"], sample["body"].encode(), "x")
        event = json.loads(sample["body"])
        event = event["events"][0] if platform == "events-api" else event
        ids.add(event.get("event_id") or event.get("id"))
        entities.add(event["data"].get("resource", event["data"].get("product"))["uuid"])
    assert len(ids) == len(entities) == 500


def test_body_that_is_no_text_comes_as_base64(pimsim):
    sample = json.loads(pimsim("sign", "--body", "-", "-s", "x", "--as", "json", stdin=b"a\0\xff").stdout)
    assert "body" not in sample
    assert base64.b64decode(sample["body_base64"]) == b"a\0\xff"
    for text in (b"", b"a", b"ab", b"abc", b"\0"):
        sample = json.loads(pimsim("sign", "--body", "-", "-s", "x", "--as", "json", stdin=text).stdout)
        assert sample["body"].encode() == text


def test_write_errors_end_with_3_and_closed_pipes_quietly(pimsim):
    with open("/dev/full", "wb") as full:
        made = pimsim("sign", "product.updated", "-s", "x", "-n", "1000", stdout=full)
    assert made.returncode == 3
    assert b"standard output" in made.stderr
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody:
        made = pimsim("sign", "product.updated", "-s", "x", "-n", "100000000", stdout=nobody)
    assert made.stderr == b""


@pytest.mark.parametrize("args,said", [
    (("product.updated",), b"PIMSIM_SECRET"),
    (("-s", "x"), b"EVENT"),
    (("product.updated", "--body", "-", "-s", "x"), b"EVENT"),
    (("product.updatd", "-s", "x"), b"product.updated"),
    (("--body", "no-such-file", "-s", "x"), b"no-such-file"),
    (("--body", "-", "-s", "x", "--set", "/a=1"), b"--set"),
    (("test", "-s", "x", "--event-id", "11111111-2222-4333-8444-555555555555"), b"--event-id"),
    (("product.updated", "-s", "x", "-n", "2", "--as", "curl"), b"--as curl"),
    (("product.updated", "-s", "x", "-n", "2", "--event-id", "11111111-2222-4333-8444-555555555555"), b"--event-id"),
    (("product.updated", "-s", "x", "--as", "xml"), b"xml"),
])
def test_wrong_usage_is_named(pimsim, args, said):
    made = pimsim("sign", *args)
    assert made.returncode == 2
    assert said in made.stderr, made.stderr


def test_body_alone_needs_no_secret(pimsim):
    assert pimsim("sign", "product.updated", "--as", "body").returncode == 0


def test_secret_may_come_from_the_environment_and_is_not_printed(pimsim):
    made = pimsim("sign", "product.updated", "--as", "curl", env={"PIMSIM_SECRET": "hush-hush"})
    assert made.returncode == 0
    assert b"hush" not in made.stdout + made.stderr
