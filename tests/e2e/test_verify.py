"""pimsim verify: requests signed by Python's own hmac, rightly and in every wrong way."""
import base64
import hashlib
import hmac
import json
import time

import pytest

SECRET = "5f2a9c top"
SECOND = "second"
BODY = (rb'{"events":[{"action":"product.updated","path":"a\/b","name":"Caf\u00e9 \ud83d\ude00","price":800.0000,'
        rb'"big":9007199254740993,"e":1e3,"values":[]}]}')
STAMP = str(int(time.time())).encode()


@pytest.fixture(name="pimsim")
def pimsim_in_bytes(pimsim):
    def run(*args, stdin=b"", **more):
        return pimsim(*args, input=stdin, text=False, **more)

    return run


def digest(*parts, secret=SECRET):
    key = secret if isinstance(secret, bytes) else secret.encode()
    return hmac.new(key, b"".join(parts), hashlib.sha256)


def events_api(body=BODY, signature=None, line_end=b"\r\n", moment=STAMP, extra=(), sent=None):
    lines = [b"POST /hook HTTP/1.1", b"Host: here", b"content-type: application/json",
             b"x-akeneo-request-signature:  " + (signature or digest(moment, b".", body).hexdigest()).encode(),
             b"X-AKENEO-REQUEST-TIMESTAMP: " + moment, *extra]
    return line_end.join(lines) + line_end * 2 + (body if sent is None else sent)


def aep(body=BODY, primary=None, secondary=None, extra=(b"X-AKENEO-SIGNATURE-ALGORITHM: HmacSHA256",)):
    lines = [b"POST /hook HTTP/1.1"]
    if primary != "":
        lines.append(b"X-AKENEO-SIGNATURE-PRIMARY: " + (primary or digest(body).hexdigest()).encode())
    if secondary:
        lines.append(b"X-AKENEO-SIGNATURE-SECONDARY: " + secondary.encode())
    return b"\r\n".join([*lines, *extra]) + b"\r\n\r\n" + body


def judge(pimsim, request, *more, secret=SECRET, code=None, age_matters=False):
    made = pimsim("verify", "-s", secret, "--request", "-", "--format", "json", *more, stdin=request)
    assert made.returncode in (0, 1), made.stderr
    verdict = json.loads(made.stdout)
    assert verdict["valid"] == (made.returncode == 0)
    if not age_matters:  # how long ago this file was loaded is no matter
        verdict["notes"] = [note for note in verdict["notes"] if "replays" not in note]
    assert code is None or made.returncode == code, verdict
    return verdict


# ---- valid ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize("body", [BODY, b"", b"a\0b\xff", b"{}\n"], ids=["json", "empty", "nul", "newline"])
def test_right_signatures_are_valid(pimsim, body, line_end):
    verdict = judge(pimsim, events_api(body, line_end=line_end), code=0)
    assert verdict == {"valid": True, "platform": "events-api", "mistake": None, "notes": [],
                       "signatures": [{"header": "X-Akeneo-Request-Signature", "valid": True,
                                       "got": digest(STAMP, b".", body).hexdigest(),
                                       "expected": digest(STAMP, b".", body).hexdigest()}]}
    assert judge(pimsim, aep(body), code=0)["platform"] == "aep"


def test_text_says_it_plainly(pimsim):
    made = pimsim("verify", "-s", SECRET, "--request", "-", stdin=events_api())
    assert made.returncode == 0
    assert made.stdout.startswith(b"valid: ")
    made = pimsim("verify", "-s", SECRET, "--request", "-",
                  stdin=events_api(signature=digest(STAMP, BODY).hexdigest()))
    assert made.returncode == 1
    assert made.stdout.startswith(b"not valid: ")
    assert b"The signature matches a sender or connector that verifies HMAC(timestamp + body) without" in made.stdout
    assert b"Fix: " in made.stdout
    assert SECRET.encode() not in made.stdout


def test_headers_and_body_may_come_apart(pimsim, tmp_path):
    head, _, _ = events_api().partition(b"\r\n\r\n")
    (tmp_path / "headers").write_bytes(head.split(b"\r\n", 1)[1])
    (tmp_path / "body").write_bytes(BODY)
    args = ("verify", "-s", SECRET)
    assert pimsim(*args, "--headers", "headers", "--body", "body").returncode == 0
    assert pimsim(*args, "--headers", "headers", "--body", "-", stdin=BODY).returncode == 0
    hex_ = digest(STAMP, b".", BODY).hexdigest()
    assert pimsim(*args, "--signature", hex_, "--timestamp", STAMP.decode(), "--body", "body").returncode == 0
    assert pimsim(*args, "--signature", digest(BODY).hexdigest(), "--body", "body").returncode == 0
    assert pimsim(*args, "--signature", digest(BODY).hexdigest(), "--body", "body", "-p", "events-api").returncode == 1


def test_content_length_ends_the_body(pimsim):
    length = b"Content-Length: %d" % len(BODY)
    assert judge(pimsim, events_api(extra=[length], sent=BODY + b"\n"), code=0)["notes"] == []
    verdict = judge(pimsim, events_api(extra=[length], sent=BODY + b"POST / HTTP/1.1\r\n"), code=0)
    assert "left out" in verdict["notes"][0]
    verdict = judge(pimsim, events_api(extra=[length], sent=BODY[:-7]), code=1)
    assert "cut" in verdict["notes"][0]


def test_chunks_are_joined(pimsim):
    chunked = b"10\r\n" + BODY[:16] + b"\r\n%x\r\n" % len(BODY[16:]) + BODY[16:] + b"\r\n0\r\n\r\n"
    coding = b"Transfer-Encoding: chunked"
    assert "joined" in judge(pimsim, events_api(extra=[coding], sent=chunked), code=0)["notes"][0]
    assert "already" in judge(pimsim, events_api(extra=[coding]), code=0)["notes"][0]


def test_rotation_is_valid_by_either_header(pimsim):
    first, second = digest(BODY).hexdigest(), digest(BODY, secret=SECOND).hexdigest()
    both = ("--secret-secondary", SECOND)
    assert judge(pimsim, aep(secondary=second), *both, code=0)["notes"] == []
    assert judge(pimsim, aep(secondary=second), code=0)["notes"] == []
    # The receiver has the new secret already, which the platform still sends second.
    verdict = judge(pimsim, aep(primary="0" * 64, secondary=first), code=0)
    assert "being changed" in verdict["notes"][0]
    assert judge(pimsim, aep(primary="", secondary=first), code=0)["signatures"][0]["got"] is None
    assert "secondary secret" in judge(pimsim, aep(secondary="0" * 64), *both, code=0)["notes"][0]


# ---- not valid --------------------------------------------------------------------------------------


def javascript(body):
    event = json.loads(body)["events"][0]
    event.update(price=800, big=9007199254740992, e=1000)
    return json.dumps({"events": [event]}, ensure_ascii=False, separators=(",", ":")).encode()


def php(body):
    event = json.loads(body)["events"][0]
    event.update(price=800, e=1000)
    return json.dumps({"events": [event]}, separators=(",", ":")).replace("/", r"\/").encode()


def python(body):
    return json.dumps(json.loads(body)).encode()


SPELLINGS = {"reserialised": javascript, "reserialised-php": php, "reserialised-python": python}
SECRETS = {"secret-newline": [SECRET + "\n", SECRET + "\r\n"],
           "secret-space": [SECRET + " ", " " + SECRET, f" {SECRET} "],
           "secret-quoted": [f'"{SECRET}"', f"'{SECRET}'"], "secondary-secret": [SECOND]}


@pytest.mark.parametrize("name,made", [(name, spell(BODY)) for name, spell in SPELLINGS.items()], ids=list(SPELLINGS))
def test_reserialised_bodies_are_named(pimsim, name, made):
    assert judge(pimsim, events_api(signature=digest(STAMP, b".", made).hexdigest()), code=1)["mistake"]["name"] == name
    assert judge(pimsim, aep(primary=digest(made).hexdigest()), code=1)["mistake"]["name"] == name


@pytest.mark.parametrize("name,secret", [(name, secret) for name, secrets in SECRETS.items() for secret in secrets])
def test_mistaken_secrets_are_named(pimsim, name, secret):
    both = ("--secret-secondary", SECOND)
    request = events_api(signature=digest(STAMP, b".", BODY, secret=secret).hexdigest())
    assert judge(pimsim, request, *both, code=1)["mistake"]["name"] == name
    request = aep(primary=digest(BODY, secret=secret).hexdigest())
    assert judge(pimsim, request, *both, code=1)["mistake"]["name"] == name


@pytest.mark.parametrize("name,given,used", [
    ("secret-trimmed", " padded\t", "padded"),
    ("secret-hex", "746F70736563726574", b"topsecret"),
    ("secret-base64", base64.b64encode(b"topsecret!").decode(), b"topsecret!"),
])
def test_changed_secrets_are_named(pimsim, name, given, used):
    request = aep(primary=digest(BODY, secret=used).hexdigest())
    assert judge(pimsim, request, secret=given, code=1)["mistake"]["name"] == name


RIGHT = digest(STAMP, b".", BODY)


@pytest.mark.parametrize("name,signature", [
    ("no-dot", digest(STAMP, BODY).hexdigest()),
    ("no-timestamp", digest(BODY).hexdigest()),
    ("base64", base64.b64encode(RIGHT.digest()).decode()),
    ("upper-case", RIGHT.hexdigest().upper()),
    ("signature-prefix", "sha256=" + RIGHT.hexdigest()),
    ("body-newline-lost", digest(STAMP, b".", BODY, b"\n").hexdigest()),
    ("body-newline-lost", digest(STAMP, b".", BODY, b"\r\n").hexdigest()),
])
def test_other_mistakes_are_named(pimsim, name, signature):
    mistake = judge(pimsim, events_api(signature=signature), code=1)["mistake"]
    assert mistake["name"] == name
    assert mistake["sentence"] and mistake["fix"]


def test_other_platforms_are_named(pimsim):
    request = aep(primary=RIGHT.hexdigest(), extra=[b"X-Akeneo-Request-Timestamp: " + STAMP])
    assert judge(pimsim, request, code=1)["mistake"]["name"] == "other-platform"
    verdict = judge(pimsim, events_api(), "-p", "aep", code=1)
    assert verdict["mistake"]["name"] == "other-headers"
    assert "headers of the Events API" in verdict["notes"][-1]


def test_line_end_of_the_capture_is_named(pimsim):
    right = digest(STAMP, b".", BODY).hexdigest()
    for end in (b"\n", b"\r\n"):
        verdict = judge(pimsim, events_api(signature=right, sent=BODY + end), code=1)
        assert verdict["mistake"]["name"] == "body-newline-added"
    verdict = judge(pimsim, events_api(signature=digest(STAMP, BODY).hexdigest(), sent=BODY + b"\n"), code=1)
    assert verdict["mistake"]["name"] == "no-dot"
    assert "line end" in verdict["notes"][0]


def test_swapped_secrets_are_named(pimsim):
    first, second = digest(BODY).hexdigest(), digest(BODY, secret=SECOND).hexdigest()
    verdict = judge(pimsim, aep(primary=second, secondary=first), "--secret-secondary", SECOND, code=1)
    assert verdict["mistake"]["name"] == "secondary-secret"
    verdict = judge(pimsim, aep(primary="0" * 64, secondary=first), "--secret-secondary", SECOND, code=1)
    assert verdict["mistake"]["name"] == "primary-secret"


def test_what_no_mistake_explains_is_said_so(pimsim):
    assert judge(pimsim, events_api(), secret="another", code=1)["mistake"] is None
    changed = events_api(sent=BODY.replace(b"800", b"801"), signature=RIGHT.hexdigest())
    assert judge(pimsim, changed, code=1)["mistake"] is None
    made = pimsim("verify", "-s", "another", "--request", "-", stdin=events_api(signature="\x1b[31m" + "f" * 4000))
    assert b"No known mistake" in made.stdout
    assert b"\x1b" not in made.stdout and len(made.stdout) < 1000


def test_missing_headers_are_named(pimsim):
    verdict = judge(pimsim, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n{}", code=1)
    assert verdict["platform"] is None
    assert "no signature" in verdict["notes"][0]
    verdict = judge(pimsim, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n{}", "-p", "aep", code=1)
    assert "X-AKENEO-SIGNATURE-PRIMARY is missing" in " ".join(verdict["notes"])
    unstamped = b"X-Akeneo-Request-Signature: %s\n\n%s" % (digest(BODY).hexdigest().encode(), BODY)
    verdict = judge(pimsim, unstamped, code=1)
    assert verdict["mistake"]["name"] == "no-timestamp"
    assert "X-Akeneo-Request-Timestamp) is missing" in " ".join(verdict["notes"])
    assert "ALGORITHM is missing" in " ".join(judge(pimsim, aep(extra=[]), code=0)["notes"])


@pytest.mark.parametrize("away,said", [(-3600, "60 minutes old"), (3600 * 24 * 9, "days ahead"), (-200, None)])
def test_stale_timestamps_are_news_and_no_failure(pimsim, away, said):
    verdict = judge(pimsim, events_api(moment=str(int(time.time()) + away).encode()), code=0, age_matters=True)
    assert said in verdict["notes"][0] if said else verdict["notes"] == []


def test_timestamp_that_is_none_is_news(pimsim):
    assert "Unix seconds" in judge(pimsim, events_api(moment=b"now"), code=0)["notes"][0]


# ---- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args,said", [
    (("--request", "-"), b"PIMSIM_SECRET"),
    (("-s", "x"), b"--request"),
    (("-s", "x", "--request", "-", "--body", "-"), b"--body"),
    (("-s", "x", "--headers", "-"), b"--body"),
    (("-s", "x", "--headers", "-", "--body", "-"), b"stdin"),
    (("-s", "x", "--headers", "-", "--request", "-"), b"one of"),
    (("-s", "x", "--request", "-", "--timestamp", "1"), b"--timestamp"),
    (("-s", "x", "--request", "no-such-file"), b"no-such-file"),
    (("-s", "x", "--signature", "00", "--timestamp", "noon", "--body", "/dev/null"), b"noon"),
    (("-s", "x", "--request", "-", "-p", "shopify"), b"shopify"),
])
def test_wrong_usage_is_named(pimsim, args, said):
    made = pimsim("verify", *args)
    assert made.returncode == 2
    assert said in made.stderr, made.stderr


def test_what_is_no_request_is_named(pimsim):
    made = pimsim("verify", "-s", "x", "--request", "-", stdin=b"HTTP/1.1 200 OK\r\n\r\n")
    assert (made.returncode, b"an answer" in made.stderr) == (2, True)
    made = pimsim("verify", "-s", "x", "--request", "-", stdin=b'POST / HTTP/1.1\r\n{"a":1}\r\n')
    assert (made.returncode, b"line 2" in made.stderr) == (2, True)
