"""The frame of the command line: help, errors, exit codes, list, explain, init."""
import json
import os
import re

import pytest
from servers import free_port

COMMANDS = ["run", "demo", "sign", "verify", "plan", "judge", "connector", "list", "explain", "init", "help"]


def assert_fails(done, code, stderr):
    assert (done.returncode, done.stdout, done.stderr) == (code, "", stderr + "\n")


def test_version(pimsim):
    assert pimsim("--version").stdout == "pimsim 0.1.0\n"


def test_without_a_command_the_help_is_shown_and_nothing_succeeded(pimsim):
    alone, asked = pimsim(), pimsim("--help")
    assert alone.stdout == asked.stdout and all(f"\n  {name} " in asked.stdout for name in COMMANDS)
    assert (alone.returncode, asked.returncode) == (2, 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen(pimsim, command):
    shown = pimsim(command, "--help")
    assert shown.returncode == 0 and shown.stdout == pimsim("help", command).stdout
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"Usage: pimsim {command}")
    assert len(lines) <= 56 and max(map(len, lines)) <= 80


def test_errors_name_the_command_and_the_nearest(pimsim):
    assert_fails(pimsim("rnu"), 2, "pimsim: rnu: unknown command (did you mean run?)")
    assert_fails(pimsim("run", "--ur"), 2, "pimsim run: --ur: unknown option (did you mean --url?)")
    assert_fails(pimsim("run", "--bug=x"), 2, "pimsim run: --bug: not an option of this command, but of demo, connector")
    assert_fails(pimsim("list", "rulez"), 2, "pimsim list: rulez: nothing to list (did you mean rules?)")
    assert_fails(pimsim("list", "weather"), 2, "pimsim list: weather: nothing to list; pimsim list shows what there is")
    assert_fails(pimsim("init", "here"), 2, "pimsim init: here: unexpected argument; usage: pimsim init")
    assert_fails(pimsim("explain", "ack/deadlin"), 2, "pimsim explain: ack/deadlin: unknown rule (did you mean ack/deadline?)")


def test_pimsim_json_is_checked(pimsim, tmp_path):
    (tmp_path / "pimsim.json").write_text('// mine\n{"sede": 1}')
    done = pimsim("run")
    assert done.returncode == 2 and "pimsim.json: " in done.stderr and "seed" in done.stderr
    assert pimsim("run", "--config", "none.json").stderr.startswith("pimsim run: none.json: No such file")
    assert pimsim("run", "--help").returncode == 0  # help never depends on it


LISTS = ["events", "scenarios", "rules", "bugs", "platforms"]


@pytest.mark.parametrize("what", [[], *([name] for name in LISTS)])
def test_lists_agree_as_text_and_json(pimsim, what):
    rows = json.loads(pimsim("list", *what, "--format", "json").stdout)
    text = pimsim("list", *what).stdout.splitlines()
    assert len(text) == len(rows) + 1 and rows
    assert text[0].split() == list(rows[0])
    for line, row in zip(text[1:], rows):
        assert line.split() == " ".join("-" if cell is None else cell for cell in row.values()).split()


def test_lists_hold_what_is_promised(pimsim):
    names = {what: [next(iter(row.values())) for row in json.loads(pimsim("list", what, "--format=json").stdout)]
             for what in LISTS}
    assert [row["list"] for row in json.loads(pimsim("list", "--format=json").stdout)] == LISTS
    assert sorted(names["platforms"]) == ["aep", "events-api"]
    assert len(names["bugs"]) >= 15
    assert {"ack/deadline", "reach/head", "sig/valid", "form/batch"} <= set(names["rules"])
    events = json.loads(pimsim("list", "events", "--format=json").stdout)
    assert sum(row["events-api"] is not None for row in events) == 6
    assert sum(row["aep"] is not None for row in events) == 38


def test_every_bug_is_owned_by_a_rule_that_explains_how_to_see_it(pimsim):
    for bug in json.loads(pimsim("list", "bugs", "--format=json").stdout):
        for rule in {bug["events-api"], bug["aep"]} - {None}:
            explained = json.loads(pimsim("explain", rule, "--format=json").stdout)
            assert any(command.split()[3] == bug["bug"] for command in explained["commands"])
            assert explained["scenarios"] and explained["fix"] and explained["clause"]


def test_list_reads_a_folder_of_ones_own(pimsim, tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "broken.json").write_text('{"titel": "x"}')
    done = pimsim("list", "scenarios", "--data", tmp_path)
    assert done.returncode == 2 and "broken.json" in done.stderr and "title" in done.stderr
    assert_fails(pimsim("list", "scenarios", "--data", "none"), 2,
                 'pimsim list: none: holds neither a "fixtures" nor a "scenarios" folder')


def test_init_writes_what_our_own_readers_take(pimsim, tmp_path):
    done = pimsim("init")
    assert done.returncode == 0 and done.stdout.count("\n  pimsim ") == 3
    listed = pimsim("list", "scenarios", "--data", ".", "--format=json")  # reads pimsim.json too
    assert "A first scenario" in [row["title"] for row in json.loads(listed.stdout)]
    planned = pimsim("plan", "scenarios/first.json")
    assert planned.returncode == 0 and planned.stdout


def test_every_setting_that_init_suggests_is_one(pimsim, tmp_path):
    assert pimsim("init").returncode == 0
    path = tmp_path / "pimsim.json"
    suggested, count = re.subn(r'^(\s+)// (?=")', r"\1", path.read_text(), flags=re.M)
    assert count >= 9 and '\n    "flow": [' in suggested
    path.write_text(suggested.replace("localhost:3000", f"localhost:{free_port()}"))  # where nobody is
    assert pimsim("plan", "first").returncode == 0
    done = pimsim("run", "first")  # as far as what is not here: the connector
    assert done.returncode in (2, 3) and "pimsim.json: " not in done.stderr and "--flow" not in done.stderr


NIGHT = {
    "title": "A night", "story": "Nobody is there.", "stream": [{"event": "product.updated", "entities": 30}],
    "pace": {"rate": 0.01}, "flow": {}, "rules": ["ack/deadline"],
}


@pytest.fixture
def night(tmp_path):
    (tmp_path / "scenarios" / "nights").mkdir(parents=True)
    (tmp_path / "scenarios" / "nights" / "quiet.json").write_text(json.dumps(NIGHT))
    return "nights"


def test_laws_are_checked_before_anything_is_sent(pimsim, night):
    for law, why in {
        "quota": '--flow: "quota" is not KEY=VALUE',
        "quoat=1": '--flow: "quoat" is not known; did you mean "quota"?',
        "stale=2": '--flow: stale: "2" is not a duration such as 500ms, 3s or 10m',
        "rate-min=200": "nights/quiet: flow: rate-min is not between 0 and rate-max",
        "quota=1": "nights/quiet: flow: a quota needs a quota-window",
    }.items():
        assert_fails(pimsim("demo", night, "core/first-contact", "--data", ".", "--flow", law), 2, f"pimsim demo: {why}")
    # a law that suits the scenario's platform only is nothing to one for the other
    assert pimsim("demo", "core/batches", "--platform", "events-api", "--flow", "rate-min=200").returncode == 0


def test_hours_are_played_when_they_are_asked_for(pimsim, night, tmp_path):
    (tmp_path / "scenarios" / "mine.json").write_text(json.dumps({**NIGHT, "flow": {"quota": 1}, "title": "M"}))
    listed = json.loads(pimsim("list", "scenarios", "--data", ".", "--format=json").stdout)
    assert {"mine", "nights/quiet"} <= {row["scenario"] for row in listed}
    done = pimsim("demo", "--data", ".", "--platform", "aep", timeout=120)  # "mine" would be refused
    assert done.returncode == 0 and "core/first-contact" in done.stderr
    assert "nights" not in done.stderr and "mine" not in done.stderr
    done = pimsim("demo", night, "--data", ".")
    assert done.returncode == 0 and "nights/quiet" in done.stderr
    for command in "run", "demo":
        assert "but hours" in pimsim("help", command).stdout


def test_init_keeps_what_is_there(pimsim, tmp_path):
    (tmp_path / "pimsim.json").write_text("mine")
    assert_fails(pimsim("init"), 2, "pimsim init: pimsim.json is there already; --force replaces it")
    assert (tmp_path / "pimsim.json").read_text() == "mine" and not (tmp_path / "scenarios").exists()
    assert pimsim("init", "--force").returncode == 0
    assert (tmp_path / "pimsim.json").read_text() != "mine"


def test_a_result_that_does_not_get_out_is_no_success(pimsim):
    with open("/dev/full", "w") as full:
        done = pimsim("list", "events", stdout=full)
    assert (done.returncode, done.stderr) == (3, "pimsim: could not write to standard output\n")
    done = pimsim("--version", stdout=None, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (3, "pimsim: could not write to standard output\n")


def test_a_reader_that_left_is_no_success_and_no_noise(pimsim):
    reader, writer = os.pipe()
    os.close(reader)
    done = pimsim("list", "events", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (3, "")
