"""The published schema and the program's own reader agree: every shipped scenario is valid, what the
schema refuses `pimsim plan` refuses (exit 2, with a message), and odd but valid files pass both."""

import copy
import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIMSIM = os.environ.get("PIMSIM", str(ROOT / "build" / "pimsim"))
SCENARIOS = sorted(p for p in (ROOT / "scenarios").rglob("*.json") if not p.name.endswith(".schema.json"))
SCHEMA = json.loads((ROOT / "scenarios" / "scenario.schema.json").read_text())
LAWS = list(SCHEMA["properties"]["flow"]["properties"])
FAULTS = list(SCHEMA["properties"]["faults"]["items"]["properties"])
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def without_comments(text):
    """Blank out comments; strings are left alone."""
    part = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.S)
    return part.sub(lambda m: m.group() if m.group()[0] == '"' else " ", text)


def plan(path, platform="aep"):
    return subprocess.run(
        [PIMSIM, "plan", str(path), "--platform", platform, "--seed", "1"],
        capture_output=True, text=True, timeout=30, cwd=path.parent,
    )


BASE = {
    "title": "t",
    "story": "s",
    "stream": [{"event": "product.updated"}],
    "rules": ["ack/deadline"],
}
GONE = object()


def scenario(**changes):
    made = copy.deepcopy(BASE)
    for key, value in changes.items():
        if value is GONE:
            del made[key]
        else:
            made[key] = value
    return made


def stream(*steps, **changes):
    return scenario(stream=list(steps), **changes)


def pace(**members):
    return scenario(pace=members)


def fault(name, **members):
    return scenario(pace={"rate": 10}, faults=[{name: members}])


def flow(*faults, **laws):
    made = scenario(flow={key.replace("_", "-"): value for key, value in laws.items()})
    return made | ({"faults": list(faults)} if faults else {})


def effects(*faults, **changes):
    made = scenario(rules=["ack/deadline", "idem/state"], effects="idem/state", **changes)
    return made | ({"faults": list(faults)} if faults else {})


BAD = {
    "not an object": [],
    "an unknown key": scenario(faluts=[]),
    "no title": scenario(title=GONE),
    "no story": scenario(story=GONE),
    "no stream": scenario(stream=GONE),
    "no rules": scenario(rules=GONE),
    "an empty title": scenario(title=""),
    "a title of two lines": scenario(title="a\nb"),
    "a story that is a list": scenario(story=["a", "b"]),
    "a schema that is no string": scenario(**{"$schema": 1}),
    "an unknown platform": scenario(platforms=["apo"]),
    "no platform": scenario(platforms=[]),
    "a platform twice": scenario(platforms=["aep", "aep"]),
    "platforms as a string": scenario(platforms="aep"),
    "an empty stream": stream(),
    "a step without anything": stream({}),
    "a step with an unknown key": stream({"event": "product.updated", "entitis": 2}),
    "a step that is a string": stream("product.updated"),
    "an event without a name": stream({"event": ""}),
    "an event that is null": stream({"event": None}),
    "no entities": stream({"event": "product.updated", "entities": 0}),
    "too many entities": stream({"event": "product.updated", "entities": 1000001}),
    "half a time": stream({"event": "product.updated", "times": 1.5}),
    "negative times": stream({"event": "product.updated", "times": -1}),
    "catalog as a word": stream({"event": "product.updated", "catalog": "yes"}),
    "an unknown check": stream({"check": "reachable"}),
    "a check with an event": stream({"check": "reachability", "event": "product.updated"}),
    "a type that one platform lacks": stream({"event": "com.akeneo.pim.v1.family.created"}),
    "a delta on the Events API": stream(
        {"event": "com.akeneo.pim.v1.product.updated.delta"}, platforms=["events-api", "aep"]
    ),
    "a family from the catalogue": stream(
        {"event": "com.akeneo.pim.v1.family.created", "catalog": True}, platforms=["aep"]
    ),
    "a pace that is a number": scenario(pace=10),
    "a rate of nothing": pace(rate=0),
    "a rate that nobody sends": pace(rate=100001),
    "a rate in another word": pace(rate="max"),
    "a rate that is true": pace(rate=True),
    "rate and concurrency": pace(rate=10, concurrency=10),
    "no concurrency": pace(concurrency=0),
    "too much concurrency": pace(concurrency=1001),
    "a batch of eleven": pace(batch=11),
    "a ramp to nowhere": pace(ramp="10s"),
    "a ramp without a unit": pace(rate=10, ramp="10"),
    "a ramp that is a number": pace(rate=10, ramp=10),
    "an unknown key of the pace": pace(rates=10),
    "no faults": scenario(faults=[]),
    "a fault that is a string": scenario(faults=["drop"]),
    "an empty fault": scenario(faults=[{}]),
    "two faults in one": scenario(faults=[{"drop": {}, "delay": {}}]),
    "an unknown fault": fault("dupe"),
    "a fault's value that is a number": scenario(faults=[{"drop": 0.5}]),
    "seventeen faults": scenario(faults=[{"drop": {"share": 0.01}}] * 17),
    "a share over 1": fault("drop", share=1.5),
    "a share under 0": fault("drop", share=-0.1),
    "a key of another fault": fault("drop", after="1s"),
    "over on a delay": fault("delay", over="1s"),
    "an unknown way to duplicate": fault("duplicate", how="copy"),
    "how on an overlap": effects({"overlap": {"how": "copy"}}),
    "after on an overlap": effects({"overlap": {"after": "1ms"}}),
    "over on a lost ack": fault("lost-ack", over="1ms"),
    "together without a batch": fault("duplicate", how="together"),
    "together in a batch of one": scenario(
        pace={"batch": 1}, faults=[{"duplicate": {"how": ["apart", "together"]}}]
    ),
    "a restart without effects": fault("restart"),
    "an unknown way to restart": effects({"restart": {"how": "gently"}}),
    "a way to restart twice": effects({"restart": {"how": ["again", "again"]}}),
    "effects that are no rule": scenario(effects="idem/stat"),
    "effects that are true": scenario(effects=True),
    "settling without effects": stream({"event": "product.updated"}, {"check": "settled"}),
    "settling and a restart": effects({"restart": {}}, stream=[{"event": "product.updated"}, {"check": "settled"}]),
    "a migration to both": effects(migration="instead"),
    "a migration from AEP": effects(migration="instead", platforms=["events-api"]),
    "a migration without effects": scenario(migration="instead", platforms=["aep"]),
    "an unknown migration": effects(migration="insted", platforms=["aep"]),
    "a migration that is true": effects(migration=True, platforms=["aep"]),
    "a handover at no moment": effects(migration="handover", platforms=["aep"]),
    "a migration with faults": effects({"drop": {}}, migration="instead", platforms=["aep"]),
    "a migration over hours": effects(migration="instead", platforms=["aep"], flow={}),
    "a migration of everything": effects(migration="instead", platforms=["aep"], stream=[{"event": "*"}]),
    "a migration of deltas alone": effects(
        migration="besides", platforms=["aep"],
        stream=[{"event": "product.created"}, {"event": "com.akeneo.pim.v1.product.updated.delta"}],
    ),
    "a migration of families": effects(
        migration="besides", platforms=["aep"], stream=[{"event": "com.akeneo.pim.v1.family.created"}],
    ),
    "a migration with a check": effects(
        migration="besides", platforms=["aep"], stream=[{"event": "product.created"}, {"check": "reachability"}],
    ),
    "effects of a check": effects(stream=[{"event": "product.updated"}, {"check": "reachability"}]),
    "a delta of a creation": stream({"event": "product.created", "delta": True}),
    "a delta of a delta": stream(
        {"event": "com.akeneo.pim.v1.product.updated.delta", "delta": True}, platforms=["aep"]
    ),
    "a delta of everything": stream({"event": "*", "delta": True}),
    "a delta of a fixture": stream({"event": "mine.json", "delta": True}),
    "delta as a word": stream({"event": "product.updated", "delta": "yes"}),
    "a check with a delta": stream({"check": "reachability", "delta": True}),
    "a fault's event without a name": fault("drop", event=""),
    "a fault's event that is a list": fault("drop", event=["product.updated"]),
    "a fault of a type that one platform lacks": fault("drop", event="com.akeneo.pim.v1.family.created"),
    "a fault of a delta on the Events API": scenario(
        platforms=["events-api", "aep"], faults=[{"delay": {"event": "com.akeneo.pim.v1.product.updated.delta"}}]
    ),
    "a duration in words": fault("delay", after="5 minutes"),
    "half a duration": fault("delay", after="1.5s"),
    "a range without an end": fault("delay", after="1s.."),
    "a range of three": fault("delay", after="1s..2s..3s"),
    "a window of one": fault("reorder", window=1),
    "a window too wide": fault("burst", window=1001),
    "a burst without a rate": scenario(faults=[{"burst": {}}]),
    "a burst with concurrency": scenario(pace={"concurrency": 5}, faults=[{"burst": {}}]),
    "an unknown way to forge": fault("forge", how="randm"),
    "another fault's way": fault("malform", how="stale"),
    "no way": fault("forge", how=[]),
    "a way twice": fault("forge", how=["stale", "stale"]),
    "own as a word": stream({"event": "product.updated", "own": "yes"}),
    "a check of one's own": stream({"check": "reachability", "own": True}),
    "a flow that is true": scenario(flow=True),
    "a flow that is null": scenario(flow=None),
    "a flow that is a list": scenario(flow=["quota=5"]),
    "an unknown law": flow(quotas=1),
    "a law that is true": flow(quota=True),
    "a law that is null": flow(stale=None),
    "a quota under nothing": flow(quota=-1),
    "half a request": flow(quota=1.5),
    "a quota of everything": flow(quota=1000001),
    "a quota that is a duration": flow(quota="1h"),
    "a quota in hex": flow(quota="0x10"),
    "a quota with a sign": flow(quota="+5"),
    "a quota in the air": flow(quota=""),
    "two of one's own": flow(withhold_own=2),
    "a percentage over all": flow(success_min=101),
    "half a percent": flow(success_min=0.5),
    "a rate that nobody keeps": flow(rate_max=10001),
    "a rate that is hardly one": flow(rate_min=0.0009),
    "a rate that is nearly none": flow(rate_min=1e-9),
    "a rate that falls upwards": flow(rate_fall=-1),
    "a rate that is no number": flow(rate_rise="nan"),
    "a duration that is a number": flow(stale=7200),
    "a duration without a unit": flow(resume="30"),
    "a duration of words": flow(throttled="an hour"),
    "a duration under nothing": flow(resume="-1m"),
    "retries in an array": flow(retry=["5m", "10m"]),
    "retries with spaces": flow(retry="5m, 10m"),
    "nine retries": flow(retry=",".join(["1m"] * 9)),
    "a retry too few": flow(retry="5m,"),
    "a retry without waiting": flow(retry="5m,0s,10m"),
    "a retry of none": flow(retry="5m,none"),
    "retries of nothing": flow(retry="0,0"),
    "no text of retries": flow(retry=""),
    "an outage without flow": fault("outage"),
    "an outage of a share": flow({"outage": {"share": 0.5}}),
    "an outage of one event": flow({"outage": {"event": "product.updated"}}),
    "an outage after a while": flow({"outage": {"after": "1h"}}),
    "an unknown outage": flow({"outage": {"how": "502"}}),
    "an outage of two kinds": flow({"outage": {"how": ["down", "bad-gateway"]}}),
    "an outage in a list": flow({"outage": {"how": ["down"]}}),
    "an outage of no time": flow({"outage": {"for": "0s"}}),
    "an outage that lasts a number": flow({"outage": {"for": 3600}}),
    "a window from a number": fault("drop", **{"from": 10}),
    "a window from nowhere": fault("drop", **{"from": "soon"}),
    "a window from a range": fault("drop", **{"from": "1s..2s"}),
    "a window of no time": fault("drop", **{"for": "0"}),
    "a window of no hours": fault("rotate", **{"for": "00h"}),
    "a window that ends": fault("drop", until="1h"),
    "an unknown way to rotate": fault("rotate", how="promoted"),
    "a way to rotate twice": fault("rotate", how=["added", "added"]),
    "no rule": scenario(rules=[]),
    "a rule twice": scenario(rules=["ack/load", "ack/load"]),
    "an unknown rule": scenario(rules=["ack/dedline"]),
    "a rule that is a number": scenario(rules=[1]),
}

GOOD = {
    "the least": scenario(),
    "a schema somewhere": scenario(**{"$schema": "https://example.com/s.json"}),
    "every letter": scenario(title="Été 夏 🌞", story='"quotes" \\ and // no comment'),
    "platforms the other way round": scenario(platforms=["aep", "events-api"]),
    "only a check": stream({"check": "reachability"}),
    "everything": stream({"event": "*", "entities": 1, "times": 1}),
    "AEP's name of a type that both have": stream({"event": "com.akeneo.pim.v1.product.updated"}),
    "AEP's own": stream({"event": "com.akeneo.pim.v1.family.created", "catalog": False}, platforms=["aep"]),
    "a delta from the catalogue": stream(
        {"event": "com.akeneo.pim.v1.product.updated.delta", "catalog": True}, platforms=["aep"]
    ),
    "a slow pace": pace(rate=0.01, batch=10, ramp="0"),
    "an empty pace": pace(),
    "a fault at all defaults": fault("duplicate"),
    "a fault that never strikes": fault("drop", share=0),
    "a range of nothing": fault("delay", after="0..0ms"),
    "a burst at the top": scenario(pace={"rate": "top"}, faults=[{"burst": {"share": 0.01, "window": 2}}]),
    "sixteen faults": scenario(faults=[{"drop": {"share": 0.01}}] * 16),
    "effects": effects(),
    "settling": effects(stream=[{"check": "settled"}, {"event": "product.updated"}, {"check": "settled"}]),
    "a handover": effects(
        migration="handover", platforms=["aep"], stream=[{"check": "settled"}, {"event": "product.updated"}],
    ),
    "a migration": effects(
        migration="besides", platforms=["aep"], pace={"batch": 10},
        stream=[
            {"event": "com.akeneo.pim.v1.product.created", "entities": 3}, {"check": "settled"},
            {"event": "product.updated", "delta": True, "own": True},
        ],
    ),
    "effects of every restart": effects({"restart": {"share": 0.1, "after": "0ms", "how": ["in-flight", "acked"]}}),
    "effects with what is new": effects(
        {"overlap": {"event": "product.updated"}}, {"lost-ack": {"share": 0.5, "after": "1ms..2ms"}},
        {"restart": {}}, {"duplicate": {"how": "apart"}},
    ),
    "lost acks without effects": fault("lost-ack"),
    "together in a batch": scenario(pace={"batch": 2}, faults=[{"duplicate": {"how": ["together"]}}]),
    "together beside apart": scenario(
        pace={"batch": 10, "rate": 5}, faults=[{"duplicate": {}}, {"duplicate": {"how": "together"}}]
    ),
    "a delta": stream({"event": "product.updated", "delta": True, "catalog": True}),
    "a delta by AEP's name": stream({"event": "com.akeneo.pim.v1.product-model.updated", "delta": True}),
    "no delta of a creation": stream({"event": "product.created", "delta": False}),
    "a fault of one event": fault("delay", event="product.updated"),
    "a fault of AEP's own": stream(
        {"event": "product.updated", "delta": True}, platforms=["aep"],
        faults=[{"delay": {"event": "com.akeneo.pim.v1.product.updated.delta"}}],
    ),
    "one's own": stream({"event": "product.updated", "own": True}, {"event": "product.updated", "own": False}),
    "no law of the scenario's": flow(),
    "every law at none": flow(**{key: "none" for key in LAWS}),
    "every law at 0": flow(**{key: 0 for key in LAWS}),
    "every law at 0 in text": flow(**{key: "0" for key in LAWS}),
    "laws as they are": flow(
        quota=4000, quota_window="1h", stale="2h", withhold_own=1, rate_max=100, rate_min=1, rate_rise=1,
        rate_fall=0.5, throttled="1h", retry="5m,10m,20m", suspend_at_once=1, success_min=90,
        success_window="1h", success_answers=10, resume="0",
    ),
    "laws in text": flow(
        quota="4000", withhold_own="1.0", rate_max="1e2", rate_min="0.001", rate_rise="5.", success_answers="007"
    ),
    "a whole number with a point": flow(quota=40.0, rate_max=1e3),
    "the least and the most": flow(
        quota=1000000, rate_min=0.001, rate_max=10000, stale="24h", resume="1us", quota_window="1s"
    ),
    "eight retries": flow(retry=",".join(["1us", "24h"] * 4)),
    "a retry": flow(retry="1000ms"),
    "no retry": flow(retry="0h"),
    "an outage": flow({"outage": {}}),
    "outages": flow(
        {"outage": {"from": "10m", "for": "1h", "how": "bad-gateway"}}, {"outage": {"from": "0", "for": "1us", "how": "down"}},
        {"outage": {"from": "24h", "for": "24h"}},
    ),
    "a rotation": scenario(
        platforms=["aep"],
        faults=[
            {"rotate": {"how": "added", "from": "10m", "for": "10m"}},
            {"rotate": {"how": ["secondary"], "from": "20m", "for": "10m", "share": 0.5}},
            {"rotate": {"how": ["removed", "added"], "from": "30m"}},
        ],
    ),
    "windows of every fault": effects(
        *({name: {"from": "0s", "for": "1h"}} for name in FAULTS), pace={"rate": 10}, flow={}
    ),
    "all ways but one": fault("forge", how=SCHEMA["$defs"]["forge-how"]["enum"][1:]),
}


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_shipped_scenario_is_valid_and_can_be_planned(path):
    read = json.loads(without_comments(path.read_text()))
    VALIDATOR.validate(read)
    assert (path.parent / read["$schema"]).resolve() == ROOT / "scenarios" / "scenario.schema.json"
    for platform in read.get("platforms", ["events-api", "aep"]):
        planned = plan(path, platform)
        assert planned.returncode == 0, planned.stderr
        assert planned.stdout


def test_the_readme_example_is_valid():
    text = (ROOT / "scenarios" / "README.md").read_text()
    for example in re.findall(r"```json\n(.*?)```", text, re.S):
        VALIDATOR.validate(json.loads(without_comments(example)))


@pytest.mark.parametrize("name", BAD)
def test_the_schema_and_the_program_refuse(name, tmp_path):
    assert not VALIDATOR.is_valid(BAD[name]), "the schema takes it"
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(BAD[name]))
    planned = plan(path)
    assert planned.returncode == 2, planned.stderr
    assert "bad.json: " in planned.stderr
    assert planned.stdout == ""


@pytest.mark.parametrize("name", GOOD)
def test_the_schema_and_the_program_take(name, tmp_path):
    VALIDATOR.validate(GOOD[name])
    path = tmp_path / "good.json"
    path.write_text(json.dumps(GOOD[name]))
    planned = plan(path)
    assert planned.returncode == 0, planned.stderr


def test_what_a_schema_cannot_say_the_program_refuses(tmp_path):
    path = tmp_path / "bad.json"
    for text in (
        '{"title": "a", "title": "b", "story": "s", "stream": [{"event": "*"}], "rules": ["ack/load"]}',
        json.dumps(fault("delay", after="2s..1s")),
        json.dumps(fault("delay", after="25h")),
        json.dumps(stream({"event": "product.updatd"})),
        json.dumps(fault("drop", event="product.updatd")),
        json.dumps(fault("drop", event="product.created")),
        json.dumps(scenario(effects="idem/state")),
        json.dumps(flow({"outage": {"from": "25h"}})),
        json.dumps(fault("drop", **{"for": "25h"})),
        json.dumps(flow(quota="1.5")),
        json.dumps(flow(success_min="101")),
        json.dumps(flow(rate_min="1e-9")),
        json.dumps(flow(stale="25h")),
        json.dumps(flow(quota_window="999ms")),
        json.dumps(flow(retry="5m,25h")),
        json.dumps(flow(quota=1)).replace('"quota": 1', '"quota": 1, "quota": 2'),
        json.dumps(BASE)[:-1],
    ):
        path.write_text(text)
        planned = plan(path)
        assert planned.returncode == 2, f"{text}: {planned.stderr}"
        assert "bad" in planned.stderr
