"""A port from the Events API to AEP: one stream through both platforms, to two endpoints of a connector.

What ports lose, in many shapes of connectors, is the matter of test_ports.py; here is what a user can get wrong about
the run itself, and what he is told."""
import base64
import hashlib
import hmac
import json
import signal
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from servers import SECRET, Server, answer, free_port

RULES = ["port/state", "port/identifier", "port/delta", "port/removed", "port/own-events", "port/handover",
         "port/switchover"]
SUITE = ["both-at-once", "changes", "deltas", "handover", "handover-removals", "own-changes", "removals"]


class Port:
    """Products by uuid, as the PIM has them. /old takes what the Events API says, /aep asks the PIM."""

    def __init__(self, pim=None, client="pimsim-connector", old_secret=SECRET, **habits):
        self.pim, self.client, self.old_secret, self.habits = pim, client, old_secret, habits
        self.rows, self.lock, self.token = {}, threading.Lock(), None

    def ask(self, path):
        request = urllib.request.Request(self.pim + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            assert error.code == 404  # it is gone by now
            return None

    def log_in(self):
        basic = base64.b64encode(b"any:body").decode()
        request = urllib.request.Request(
            self.pim + "/api/oauth/v1/token", method="POST",
            data=json.dumps({"grant_type": "password", "username": "u", "password": "p"}).encode(),
            headers={"Authorization": f"Basic {basic}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            self.token = json.load(response)["access_token"]

    def keep(self, key, resource):
        with self.lock:
            self.rows[key] = {"id": key, "sku": resource.get("identifier", key), "values": resource["values"],
                              "categories": resource["categories"]}

    def old(self, body):
        for event in json.loads(body)["events"]:
            resource = event["data"]["resource"]
            key = resource.get("uuid") or resource["code"]
            if event["action"].endswith(".removed"):
                self.rows.pop(key, None)
            else:
                self.keep(key, resource)

    def aep(self, body):
        event = json.loads(body)
        entity = event["data"].get("product") or event["data"]["product_model"]
        key, author = entity.get("uuid") or entity["code"], event["data"]["author"]
        if author["identifier"] == self.client:
            return
        if event["type"].endswith(".deleted"):
            self.rows.pop(key, None)
            return
        if not self.pim or ("uuid" in entity and self.habits.get("forgets_products")):
            return
        if not self.token:
            self.log_in()
        kind = "products-uuid" if "uuid" in entity else "product-models"
        resource = self.ask(f"/api/rest/v1/{kind}/{urllib.parse.quote(key)}")
        if not resource:
            return
        self.keep(key, resource | {"values": {}} if self.habits.get("forgets_values") else resource)

    def verified(self, request):
        if request.target == "/aep":
            return request.signed()
        return request.signed(self.old_secret)

    def reply(self, request):
        if request.method == "GET":
            with self.lock:
                return answer(body=json.dumps(list(self.rows.values())))
        if self.habits.get("old_status") and request.target == "/old":
            return answer(self.habits["old_status"])
        if not self.verified(request):
            return answer(401)
        (self.old if request.target == "/old" else self.aep)(request.body)
        return answer()

    def talk(self, server, connection):
        while request := connection.request():
            server.requests.append(request)
            connection.send(self.reply(request))


@pytest.fixture
def migrate(play):
    """migrate("migration/changes", port=Port()) plays it against the port, which asks pimsim's PIM."""

    def run(*args, port=None, settle="200ms", **more):
        port, pim = port or Port(), free_port()
        port.pim = f"http://127.0.0.1:{pim}"
        with Server(port.talk) as server:
            base = server.url.rstrip("/")
            done = play(f"{base}/aep", *(args or ["migration"]), "--url-events-api", f"{base}/old", "--pim", pim,
                        "--state-url", f"{base}/state", "--settle", settle, **more)
            done.requests, done.base, done.pim = server.requests, base, port.pim
            return done

    return run


def of(done, kind):
    return [record for record in done.records if record["record"] == kind]


def test_a_sound_port_does_what_the_connector_did(migrate):
    done = migrate()
    assert done.code == 0 and done.failed == [], done.out
    assert [done.verdicts[rule] for rule in RULES] == ["pass"] * len(RULES), done.reasons
    assert done.report["verdict"] == "conforms" and done.report["score"] == 100
    assert f"the PIM is at {done.pim}" in done.err
    assert [record["name"] for record in of(done, "scenario")] == [f"migration/{name}" for name in SUITE]


def test_each_platform_has_its_endpoint_and_its_universes(migrate):
    done = migrate("migration/changes", "migration/both-at-once")
    told = {}
    for record in done.records:
        if record["record"] == "scenario":
            told[record["name"]] = said = (record["migration"], [])
        elif record["record"] == "send":
            said[1].append((record["platform"], record["universe"]))
    either = {("events-api", "A"), ("events-api", "A'"), ("aep", "B")}
    assert told["migration/changes"][0] == "instead" and set(told["migration/changes"][1]) == either
    assert told["migration/both-at-once"][0] == "besides"
    assert set(told["migration/both-at-once"][1]) == either | {("events-api", "B")}
    order = [platform for platform, _ in told["migration/changes"][1]]
    assert order == sorted(order, reverse=True)  # first the one, then the other
    for request in done.requests:
        if request.method == "POST":
            assert ("x-akeneo-request-signature" in request.headers) == (request.target == "/old")
            assert ("x-akeneo-signature-primary" in request.headers) == (request.target == "/aep")


def test_what_the_port_forgets_is_named(migrate):
    done = migrate("migration/changes", port=Port(forgets_values=True))
    assert done.code == 1 and done.failed == ["port/state"]
    assert "Events API" in done.reasons["port/state"] and "AEP" in done.reasons["port/state"]
    finding = next(f for f in done.report["findings"] if f["rule"] == "port/state")
    assert finding["failed"] == finding["judged"] == 22 and finding["evidence"][0]["difference"]["path"].startswith("/values")


def test_of_identifiers_nothing_is_said_where_no_product_came(migrate):
    done = migrate("migration/changes", port=Port(forgets_products=True))
    assert done.failed == ["port/state"] and done.verdicts["port/identifier"] == "inconclusive"


def test_the_pim_s_calls_are_on_record(migrate):
    done = migrate("migration/changes")
    calls = of(done, "call")
    assert [(calls[0]["method"], calls[0]["target"])] == [("POST", "/api/oauth/v1/token")]
    assert all(call["status"] == 200 for call in calls)
    asked = [call["target"].split("/")[4] for call in calls if call["method"] == "GET"]
    assert set(asked) == {"products-uuid", "product-models"} and len(asked) == 12 * 3 + 4 * 3 + 4 + 2


def test_own_changes_bear_the_client_id(migrate):
    assert migrate("migration/own-changes", "--client-id", "me", port=Port(client="me")).code == 0
    done = migrate("migration/own-changes", "--client-id", "somebody else")
    assert done.failed == ["port/own-events"]


def test_the_old_connection_may_have_another_secret(migrate, tmp_path):
    assert migrate("migration/changes", "--secret-events-api", "the old one", port=Port(old_secret="the old one")).code == 0
    for file in tmp_path.iterdir():
        assert b"the old one" not in file.read_bytes()


@pytest.mark.parametrize("status", [401, 404, 500])
def test_an_old_endpoint_that_does_not_work_says_nothing_about_the_port(migrate, status):
    done = migrate("migration/changes", port=Port(old_status=status))
    assert done.code == 4 and done.failed == []
    assert done.verdicts["port/state"] == "inconclusive"
    assert "Events API" in done.reasons["port/state"] and str(status) in done.reasons["port/state"]


def test_an_endpoint_that_is_not_there_is_named(play, migrate):
    for old, new, missing in [("/old", None, "aep"), (None, "/aep", "old")]:
        with Server(Port().talk) as server:
            base, nobody = server.url.rstrip("/"), f"http://127.0.0.1:{free_port()}"
            done = play(f"{base}{new}" if new else f"{nobody}/aep", "migration/changes", "--pim", 0,
                        "--url-events-api", f"{base}{old}" if old else f"{nobody}/old",
                        "--state-url", f"{base}/state", "--settle", "100ms")
        assert done.code == 3 and done.end == "unreachable"
        assert f"{nobody}/{missing} could not be reached: " in done.err


MISSING = {
    "no endpoint of the Events API to compare with: give --url-events-api": ["--pim", "0", "--state-cmd", "echo"],
    "no PIM that the connector could ask: give --pim": ["--url-events-api", "http://127.0.0.1:1/", "--state-cmd", "echo"],
    "no way to look at the connector's state": ["--url-events-api", "http://127.0.0.1:1/", "--pim", "0"],
    "a migration ends at AEP, which is what is judged: not with --platform events-api": ["-p", "events-api"],
    "look at the connector's state: give --state-url, --state-cmd or --sink; no endpoint of the Events API to compare "
    "with: give --url-events-api; no PIM": [],
    '--pim: "x" is not a port from 0 to 65535': ["--pim", "x"],
    "--url-events-api: http://192.0.2.1/": ["--url-events-api", "http://192.0.2.1/", "--pim", "0"],
    "--secret-events-api: there is no --url-events-api": ["--secret-events-api", "x"],
}


@pytest.mark.parametrize("message", MISSING)
def test_what_is_missing_is_said_before_anything_is_sent(pimsim, message):
    done = pimsim("run", "migration", "--url", f"http://127.0.0.1:{free_port()}/", "--secret", "s", *MISSING[message])
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr


def test_a_port_of_the_pim_s_that_is_taken(pimsim):
    with Server(Port().talk) as server:
        done = pimsim("run", "core", "--url", server.url, "--secret", "s", "--pim", server.port)
    assert done.returncode == 3 and f"{server.port}" in done.stderr


def test_migrations_are_played_when_they_are_asked_for(play):
    with Server(Port().talk) as server:
        base = server.url.rstrip("/")
        done = play(f"{base}/aep", "core/first-contact", "--url-events-api", f"{base}/old")
        assert {request.target for request in server.requests} == {"/aep"}
    assert {done.verdicts[rule] for rule in RULES} == {"not-observed"}
    assert "pimsim run migration" in done.reasons["port/state"]
    demo = play(None, "--settle", "10ms", "--fail-under", "0", command="demo")
    assert not any(name.startswith("migration/") for name in demo.report["scenarios"])


def test_each_platform_s_url_stands_for_the_url(pimsim):
    with Server(Port().talk) as server:
        base = server.url.rstrip("/")
        settings = ["--url-aep", f"{base}/aep", "--url-events-api", f"{base}/old", "--secret", SECRET]
        for platform, path in [("aep", "/aep"), ("events-api", "/old")]:
            server.requests.clear()
            pimsim("run", "core/first-contact", "-p", platform, *settings)
            assert {request.target for request in server.requests} == {path}
        own = pimsim("run", "core/first-contact", "-p", "events-api", "--secret", "x", *settings[:4],
                     "--secret-events-api", SECRET)
        assert own.returncode == 0, own.stdout


def test_a_password_in_the_old_url_is_not_shown(play, tmp_path):
    with Server(Port().talk) as server:
        secret_url = f"http://user:hunter2@127.0.0.1:{server.port}/old"
        done = play(f"{server.url}aep", "migration/changes", "--url-events-api", secret_url, "--pim", free_port(),
                    "--state-url", f"{server.url}state", "--settle", "50ms")
        assert all("authorization" in request.headers for request in server.requests if request.target == "/old")
    assert "--url-events-api" in done.report["command"]
    for text in [done.out, done.err, *(file.read_text() for file in tmp_path.iterdir())]:
        assert "hunter2" not in text


def test_an_interrupt_between_the_platforms(launch, tmp_path, pimsim):
    first_old = threading.Event()

    def talk(server, connection):
        while request := connection.request():
            first_old.set()
            if not stop.wait(20):
                return
            connection.send(answer())

    stop = threading.Event()
    with Server(talk) as server:
        run = launch("run", "migration", "--url", f"{server.url}aep", "--url-events-api", f"{server.url}old", "--pim", 0,
                     "--state-cmd", "echo", "--secret", "s", "--journal", "run.ndjson", "--ack-deadline", "10s")
        assert first_old.wait(20)
        run.send_signal(signal.SIGINT)
        stop.set()
        assert run.wait(20) == 130
    judged = pimsim("judge", "run.ndjson")
    assert judged.returncode == 4 and "the run ended early" in judged.stdout


def test_a_scenario_waits_until_the_state_stands_still(play, tmp_path):
    """The product that is removed was in the shop by then."""
    port = Port()
    (tmp_path / "late.json").write_text(json.dumps({
        "title": "t", "story": "s", "platforms": ["aep"], "effects": "idem/state", "rules": ["idem/state"],
        "stream": [{"event": "product.created", "entities": 2, "catalog": True}, {"check": "settled"},
                   {"event": "product.removed"}, {"event": "product.created", "entities": 1, "catalog": True}],
        "faults": [{"duplicate": {}}]}))
    pim = free_port()
    port.pim = f"http://127.0.0.1:{pim}"
    with Server(port.talk) as server:
        done = play(f"{server.url}aep", "late.json", "--pim", pim, "--state-url", f"{server.url}state", "--settle", "100ms")
        targets = [(request.method, json.loads(request.body)["type"].rsplit(".", 1)[1] if request.body else "look")
                   for request in server.requests]
    assert done.code == 0, done.out
    first_deleted, last_created = (targets.index(("POST", "deleted")),
                                   len(targets) - 1 - targets[::-1].index(("POST", "created")))
    between = targets[:first_deleted]
    assert ("GET", "look") in between and between.index(("GET", "look")) > between.index(("POST", "created"))
    assert last_created > first_deleted
    assert len(of(done, "snapshot")) == 1


def test_a_subscription_may_ask_for_identifiers(migrate, pimsim):
    done = migrate("migration/changes", "--send-product-identifier")
    bodies = [request.json["data"] for request in done.requests if request.target == "/aep"]
    assert all("identifier" in data["product"] for data in bodies if "product" in data)
    plain = [json.loads(pimsim("sign", "product.updated", "--secret", "s", "--as", "body", "--seed", 1, *more).stdout)
             for more in ([], ["--send-product-identifier"])]
    assert "identifier" not in plain[0]["data"]["product"]
    assert plain[1]["data"]["product"].pop("identifier").startswith("sample-") and plain[0] == plain[1]
    signed = pimsim("sign", "product.updated", "--secret", "s", "--send-product-identifier", "--as", "json").stdout
    shown = json.loads(signed)
    wanted = hmac.new(b"s", shown["body"].encode(), hashlib.sha256).hexdigest()
    assert wanted in signed


def test_a_connector_that_is_started_is_told_where_the_pim_is(pimsim, tmp_path):
    (tmp_path / "connector.py").write_text(
        "import http.server, os, sys\n"
        "open('told', 'w').write(os.environ['PIMSIM_PIM_URL'])\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['Content-Length']))\n"
        "        self.send_response(200); self.send_header('Content-Length', '0'); self.end_headers()\n"
        "    def do_HEAD(self): self.send_response(200); self.send_header('Content-Length', '0'); self.end_headers()\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n")
    port, pim = free_port(), free_port()
    pimsim("run", "core/first-contact", "--url", f"http://127.0.0.1:{port}/", "--secret", "s", "--pim", pim,
           "--exec", f"exec python3 connector.py {port}")
    assert (tmp_path / "told").read_text() == f"http://127.0.0.1:{pim}"


@pytest.mark.parametrize("forgets", [False, True])
def test_two_programs_with_a_state_of_their_own_each(play, forgets):
    pim = free_port()
    old, new = Port(), Port(pim=f"http://127.0.0.1:{pim}", forgets_values=forgets)
    with Server(old.talk) as one, Server(new.talk) as other:
        done = play(f"{other.url}aep", "migration", "--url-events-api", f"{one.url}old", "--pim", pim, "--settle", "100ms",
                    "--state-url", f"{one.url}state", "--state-url", f"{other.url}state")
    if forgets:
        assert done.failed == ["port/state"]
        finding = next(f for f in done.report["findings"] if f["rule"] == "port/state")
        assert finding["evidence"][0]["difference"]["place"] == "state: /[]"
    else:
        # what was there before the switch stays behind in the old program's state: that is a loss, and nothing else is
        assert done.failed == ["port/handover"], done.reasons
        assert [done.verdicts[rule] for rule in RULES] == ["pass"] * 5 + ["fail", "pass"], done.reasons
