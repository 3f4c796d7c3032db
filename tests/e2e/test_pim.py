"""--pim: the PIM that the connector asks, at the moment of the story that its event tells of."""
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest
from servers import Server, answer, free_port, serving

STORY = [{"event": "product.created", "entities": 3, "catalog": True},
         {"event": "product.updated", "times": 2, "catalog": True},
         {"event": "product_model.created", "entities": 2, "catalog": True},
         {"event": "product.removed", "catalog": True}]
PATIENT = ["--ack-deadline", "10s"]  # a busy machine must not make it fail


class Client:
    """One who asks a PIM, as Akeneo's documentation shows it, with Python's own HTTP and JSON."""

    def __init__(self, port):
        self.base, self.token = f"http://127.0.0.1:{port}", None

    def call(self, target, body=None, **headers):
        """The status, and the document."""
        target = target if target.startswith("http") else self.base + target
        request = urllib.request.Request(target, body and json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as got:
                return got.status, json.load(got)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def get(self, target):
        if not self.token:
            _, got = self.call("/api/oauth/v1/token", {"grant_type": "password", "username": "u", "password": "p"},
                               **{"Content-Type": "application/json", "Authorization": "Basic aWQ6c2VjcmV0"})
            self.token = got["access_token"]
        return self.call(target, Authorization=f"Bearer {self.token}")

    def product(self, uuid):
        return self.get(f"/api/rest/v1/products-uuid/{uuid}")


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.json"
    path.write_text(json.dumps({"title": "t", "story": "s", "rules": ["ack/status"], "stream": STORY,
                                "pace": {"concurrency": 1, "batch": 1}}))
    return path


def asking(client, heard, ask):
    """A connector that asks before it answers: what it asks is as it was when the event was sent."""

    def reply(request):
        if request.method == "POST":
            event = request.json
            heard.append((event, ask(client, event)))
        return answer()

    return Server(serving(reply))


def test_the_pim_is_where_the_event_is(play, story):
    port, heard = free_port(), []

    def ask(client, event):
        product = event["data"].get("product")
        return client.product(product["uuid"]) if product else None

    with asking(Client(port), heard, ask) as server:
        done = play(server.url, story, "--platform", "aep", "--pim", port, *PATIENT)
    assert done.code == 0, done.err
    products = [(event, got) for event, got in heard if got]
    assert len(products) == 12
    for event, (status, product) in products:
        if event["type"].endswith("deleted"):
            assert (status, product["code"]) == (404, 404)
            continue
        assert status == 200 and product["uuid"] == event["data"]["product"]["uuid"] and product["values"]
        assert product["updated"] == event["time"].replace("Z", "+00:00")
    calls = [record for record in done.records if record["record"] == "call"]
    assert [call["method"] for call in calls] == ["POST"] + 12 * ["GET"]
    assert [call["target"].rsplit("/", 1)[1] for call in calls[1:]] == [
        event["data"]["product"]["uuid"] for event, _ in products]
    assert [call["status"] for call in calls] == 10 * [200] + 3 * [404]


def test_the_pim_says_what_the_events_api_says(play, story):
    port, heard = free_port(), []

    def ask(client, body):
        event, = body["events"]
        resource = event["data"]["resource"]
        if event["action"].startswith("product_model"):
            return client.get(f"/api/rest/v1/product-models/{resource['code']}")
        return client.product(resource["uuid"])

    with asking(Client(port), heard, ask) as server:
        done = play(server.url, story, "--platform", "events-api", "--pim", port, *PATIENT)
    assert done.code == 0, done.err
    assert len(heard) == 14
    for body, (status, entity) in heard:
        event, = body["events"]
        if event["action"] == "product.removed":
            assert status == 404
        else:
            assert (status, entity) == (200, event["data"]["resource"])


def test_all_that_changed_is_found_page_by_page(play, story):
    port, heard = free_port(), []

    def ask(client, event):
        if event["type"].endswith("deleted"):
            return None
        search = json.dumps({"updated": [{"operator": ">", "value": "2020-01-01 00:00:00"}]})
        query = {"search": search, "limit": 2, "pagination_type": "search_after"}
        target, found = "/api/rest/v1/products-uuid?" + urllib.parse.urlencode(query), []
        while target:
            status, page = client.get(target)
            assert status == 200
            found += page["_embedded"]["items"]
            target = page["_links"].get("next", {}).get("href")
        return found

    with asking(Client(port), heard, ask) as server:
        assert play(server.url, story, "--platform", "aep", "--pim", port, *PATIENT).code == 0
    created = [event["data"]["product"]["uuid"] for event, _ in heard if event["type"].endswith("product.created")]
    before_removal = [found for _, found in heard if found is not None][-1]
    assert [product["uuid"] for product in before_removal] == sorted(created)


def test_the_command_is_told_where_it_is(play, program, tmp_path):
    port = free_port()
    command = f"echo $PIMSIM_PIM_URL > pim; exec {program} connector --port {port} --secret s3cret"
    done = play(f"http://127.0.0.1:{port}/", "core/first-contact", "--pim", 0, "--exec", command, *PATIENT)
    told = (tmp_path / "pim").read_text().strip()
    assert done.code == 0 and told.startswith("http://127.0.0.1:") and f"the PIM is at {told}\n" in done.err


def test_a_port_that_is_taken(play):
    with Server(serving(lambda request: answer())) as server:
        done = play(server.url, "core/first-contact", "--pim", server.port)
    assert done.code == 3 and f"cannot listen on 127.0.0.1 port {server.port}" in done.err


class Ported:
    """A shop's connector on both platforms: what an event of AEP leaves out it asks the PIM for."""

    def __init__(self, client, forgets=None):
        self.client, self.forgets, self.rows = client, forgets, {}

    def keep(self, entity):
        name = entity.get("uuid") or entity["code"]
        if entity["updated"] >= self.rows.get(name, {}).get("updated", ""):
            self.rows[name] = {key: value for key, value in entity.items() if key not in ("_links", "created")}

    def take(self, document):
        for event in document.get("events", []):
            self.keep(event["data"]["resource"])
        if "specversion" in document:
            product = document["data"].get("product")
            kind, name = ("products-uuid", product["uuid"]) if product else (
                "product-models", document["data"]["product_model"]["code"])
            status, entity = self.client.get(f"/api/rest/v1/{kind}/{name}")
            assert status == 200
            entity.pop(self.forgets, None)
            self.keep(entity)

    def reply(self, request):
        if request.method == "GET":
            body = json.dumps(list(self.rows.values())).encode()
            return answer(200, "\0" * len(body)).encode()[:-len(body)] + body
        if request.body:
            self.take(request.json)
        return answer()


@pytest.mark.parametrize("forgets", [None, "family"])
def test_who_asks_knows_what_the_events_api_told(play, forgets):
    """The texts of the three siblings, in the state that was recorded."""
    port = free_port()
    with Server(serving(Ported(Client(port), forgets).reply)) as server:
        done = play(server.url, "migration/changes", "--url-events-api", server.url, "--url-aep", server.url,
                    "--pim", port, "--state-url", server.url, *PATIENT)
    siblings = {}
    for record in done.records:
        if record["record"] == "state":
            siblings.setdefault(record["about"], {})[record["universe"]] = record["text"]
    assert len(siblings) == 22, done.err
    for texts in siblings.values():
        assert texts["A"] == texts["A'"]
        assert (texts["B"] == texts["A"]) == (not forgets)
