"""Scenarios over hours: what the forecast tells of a connector, and the rules of flow."""
import json
import threading

import pytest
from servers import SECRET, Server, answer, serving, until, verdict_on

PATIENT = ["--ack-deadline", "10s"]  # a busy machine must not make a sound connector fail
RULES = ["flow/suspension", "flow/backpressure", "ack/deadline"]
FATES = ["acknowledged", "dropped", "discarded", "withheld", "lost", "pending"]


def hours(tmp_path, entities=300, rate=0.1, **parts):
    text = {"title": "Mine", "story": "Mine.", "platforms": ["aep"], "flow": {}, "pace": {"rate": rate}, "rules": RULES,
            "stream": [{"event": "product.updated", "entities": entities}]}
    (tmp_path / "mine.json").write_text(json.dumps({**text, **parts}))
    return "mine.json"


def answering(status_of):
    """status_of(n) is what the n-th genuine event, counted from 1, is answered with."""
    count = 0

    def reply(request):
        nonlocal count
        verdict = verdict_on(request)
        if verdict != 200 or request.method == "HEAD":
            return answer(verdict)
        count += 1
        return answer(status_of(count), **({"Location": "/x"} if status_of(count) == 302 else {}))

    return Server(serving(reply))


def forecast_of(done):
    (forecast,) = done.report["forecasts"]
    assert forecast["complete"] and sum(forecast[fate] for fate in FATES) == forecast["events"]
    return forecast


def test_a_sound_connector_keeps_its_subscription(play, tmp_path):
    with answering(lambda n: 200) as server:
        done = play(server.url, hours(tmp_path), "-p", "aep", *PATIENT)
    forecast = forecast_of(done)
    assert done.code == 0 and done.verdicts["flow/suspension"] == "pass" and done.verdicts["flow/backpressure"] == "not-observed"
    assert forecast["acknowledged"] == 300 and forecast["suspended"] is None
    assert forecast["success"] == {"min": 90, "worst": 100, "worst_at_us": 0, "margin": 10}
    assert forecast["virtual_us"] >= 2990e6 > 100 * forecast["duration_us"]
    assert "10.0 points above the limit of 90 %" in done.reasons["flow/suspension"]


def test_one_error_in_twenty_keeps_it_and_one_in_five_ends_it(play, tmp_path):
    with answering(lambda n: 500 if n % 20 == 15 else 200) as server:
        done = play(server.url, hours(tmp_path), "-p", "aep", *PATIENT)
    forecast = forecast_of(done)
    assert done.failed == ["ack/deadline"] and forecast["acknowledged"] == 300
    assert forecast["retries"] >= forecast["after_retries"] > 10 and 0 < forecast["success"]["margin"] < 6
    with answering(lambda n: 500 if n % 5 == 0 else 200) as server:
        done = play(server.url, hours(tmp_path), "-p", "aep", *PATIENT)
    forecast = forecast_of(done)
    assert done.failed == ["ack/deadline", "flow/suspension"]
    assert forecast["suspended"] == {"at_us": forecast["suspended"]["at_us"], "cause": "success-rate", "resumed_us": None}
    assert forecast["lost"] > 250 and forecast["success"]["margin"] < 0
    assert "(see ack/deadline)" in done.reasons["flow/suspension"] and "500" in done.came["flow/suspension"]


@pytest.mark.parametrize("status, cause, owner", [(404, "not-found", "flow/suspension"), (302, "redirect", "reach/redirect")])
def test_one_answer_ends_it_at_once(play, tmp_path, status, cause, owner):
    with answering(lambda n: status if n == 100 else 200) as server:
        done = play(server.url, hours(tmp_path), "-p", "aep", *PATIENT)
    forecast = forecast_of(done)
    assert done.failed == [owner]
    assert forecast["suspended"]["cause"] == cause and forecast["suspended"]["at_us"] // 1000000 == 990
    assert (forecast["acknowledged"], forecast["dropped"], forecast["lost"]) == (99, 1, 200)
    assert "00:16:30" in done.reasons["flow/suspension"]


def test_somebody_resumes_it(play, tmp_path):
    with answering(lambda n: 404 if n == 100 else 200) as server:
        done = play(server.url, hours(tmp_path), "-p", "aep", "--flow", "resume=10m", *PATIENT)
    forecast = forecast_of(done)
    assert forecast["suspended"]["resumed_us"] - forecast["suspended"]["at_us"] == 600e6
    assert forecast["dropped"] == 1 and forecast["lost"] in (59, 60) and forecast["acknowledged"] == 299 - forecast["lost"]


def test_the_last_retry_saves_an_event(play, tmp_path):
    with answering(lambda n: 503 if n < 4 else 200) as server:
        done = play(server.url, hours(tmp_path, entities=1), "-p", "aep", *PATIENT)
    forecast = forecast_of(done)
    assert forecast["acknowledged"] == forecast["after_retries"] == 1 and forecast["retries"] == 3
    assert forecast["virtual_us"] >= 35 * 60e6 and done.failed == ["ack/deadline"]
    with answering(lambda n: 503) as server:
        done = play(server.url, hours(tmp_path, entities=1), "-p", "aep", *PATIENT)
    assert forecast_of(done)["dropped"] == 1


def test_a_connector_is_taken_down_and_brought_up_again_meanwhile(play, launch, tmp_path):
    """Five minutes are a second: what it missed comes again a second later, and after two, and four."""

    def start(port):
        process = launch("connector", "--secret", SECRET, "--port", port, "--db", tmp_path / "inbox.db")
        return process, process.stdout.readline().split()[-1]

    def outcomes(outcome):
        record = tmp_path / "run.ndjson"
        return record.read_bytes().count(b'"outcome":"%s"' % outcome) if record.exists() else 0

    def operate():
        until(lambda: outcomes(b"answered") > 40)
        connector.kill()
        connector.wait()
        until(lambda: outcomes(b"refused") > 15)
        start(url.rstrip("/").rsplit(":", 1)[1])

    connector, url = start(0)
    operator = threading.Thread(target=operate)
    operator.start()
    done = play(url, hours(tmp_path, entities=300, rate=0.5, flow={"success-min": 0}), "-p", "aep", "--speed", 300, *PATIENT)
    operator.join()
    forecast = forecast_of(done)
    assert forecast["acknowledged"] == 300 and 15 < forecast["after_retries"] <= forecast["retries"]
    assert not forecast["outage"] and done.failed == ["ack/deadline"]


def test_who_says_429_is_sent_less_and_keeps_it(play, tmp_path):
    with answering(lambda n: 429 if n > 200 and n % 4 == 0 else 200) as server:
        done = play(server.url, hours(tmp_path, entities=1000, rate=1000), "-p", "aep", *PATIENT)
    forecast = forecast_of(done)
    assert done.failed == [] and done.verdicts["flow/backpressure"] == "pass" and forecast["acknowledged"] == 1000
    assert forecast["throttled"] > 200 and forecast["throughput"]["end"] < forecast["throughput"]["max"] < 30
    assert forecast["success"]["worst"] == 100


def test_who_says_503_over_its_capacity_fails_a_should(play, tmp_path):
    with answering(lambda n: 503 if 1500 < n < 2500 and n % 20 == 0 else 200) as server:
        done = play(server.url, hours(tmp_path, entities=3000, rate=1000), "-p", "aep", *PATIENT)
    assert done.failed == ["flow/backpressure"] and done.report["verdict"] == "conforms"
    assert forecast_of(done)["after_retries"] == 49 and "none below" in done.reasons["flow/backpressure"]


def test_who_says_429_for_ever_takes_nothing(play, tmp_path):
    with answering(lambda n: 429) as server:
        done = play(server.url, hours(tmp_path, entities=20), "-p", "aep", *PATIENT)
    forecast = forecast_of(done)
    assert "ack/deadline" in done.failed and forecast["acknowledged"] == 0
    assert forecast["suspended"]["at_us"] >= 3600e6 and forecast["suspended"]["cause"] == "success-rate"


# ---- the suite -------------------------------------------------------------------------------------


def test_a_day_ends_with_the_first_404(play, pimsim, tmp_path):
    done = play(None, "hours/a-quiet-day", "--bug", "not-found", command="demo")
    forecast = forecast_of(done)
    assert done.failed == ["flow/suspension"] and forecast["suspended"]["cause"] == "not-found" and forecast["lost"] == 239
    assert "forecast       hours/a-quiet-day: 23 h 56 min in " in done.out
    told = pimsim("judge", tmp_path / "run.ndjson", "--report-tap", "-", "-q").stdout
    assert "# forecast, hours/a-quiet-day: " in told and "#   suspended at 19:57:36, because " in told
    told = pimsim("judge", tmp_path / "run.ndjson", "--report-junit", "-", "-q").stdout
    assert '<property name="forecast: hours/a-quiet-day" value="hours/a-quiet-day: ' in told


@pytest.mark.parametrize("name, platform, told", [
    ("outage-of-twenty-minutes", "aep", {"suspensions": 1, "lost": 36, "pending": 0}),
    ("deploy", "aep", {"acknowledged": 6000, "after_retries": 50, "suspensions": 0}),
    ("own-changes", "events-api", {"withheld": 30, "acknowledged": 60}),
    ("quota", "events-api", {"pauses": 3, "dropped": 0})])
def test_the_suite_tells_its_stories(play, name, platform, told):
    done = play(None, f"hours/{name}", "-p", platform, *PATIENT, command="demo")
    forecast = forecast_of(done)
    assert done.code == 0 and {key: forecast[key] for key in told} == told
    assert name != "quota" or 0 < forecast["discarded"] < 1500
    assert forecast["outage"] == (name in ("outage-of-twenty-minutes", "deploy"))


def test_a_run_without_names_has_no_hours(play):
    done = play(None, "core/first-contact", command="demo")
    assert done.report["forecasts"] == [] and "pimsim run hours" in done.reasons["flow/suspension"]
