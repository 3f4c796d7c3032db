"""The real program, over real files and sockets. PIMSIM names it; by default it is the build's."""
import json
import os
import pathlib
import subprocess
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PIMSIM", str(ROOT / "build" / "pimsim"))


def program_in(folder):
    def run(*args, env=None, cwd=folder, timeout=60, **more):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PIMSIM")}
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
        return subprocess.run([PROGRAM, *map(str, args)], cwd=cwd, timeout=timeout, env={**clean, **(env or {})}, **more)

    return run


def player_in(folder):
    pimsim = program_in(folder)

    def run(url, *args, secret="s3cret", command="run", **more):
        record, report = folder / "run.ndjson", folder / "run.json"
        target = ["--url", url, "--secret", secret] if command == "run" else []
        for path in (record, report):
            path.unlink(missing_ok=True)
        done = pimsim(command, *target, "--journal", record, "--report-json", report, *args, **more)
        report = report.read_text() if report.exists() else None
        assert "Sanitizer" not in done.stderr, done.stderr
        if report:
            again = pimsim("judge", record, "--report-json", "-")
            assert again.stdout == report
            report = json.loads(report)
            assert again.returncode == (done.returncode if done.returncode != 130 else again.returncode)
        records = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        return types.SimpleNamespace(
            code=done.returncode, out=done.stdout, err=done.stderr, report=report, records=records,
            end=records[-1].get("reason") if records else None,
            answers=[r for r in records if r["record"] == "answer"],
            failed=sorted(f["rule"] for f in report["findings"] if f["verdict"] == "fail") if report else None,
            verdicts={f["rule"]: f["verdict"] for f in report["findings"]} if report else None,
            reasons={f["rule"]: f["reason"] for f in report["findings"]} if report else None,
            came={f["rule"]: " | ".join(e["came"] for e in f["evidence"])
                  for f in report["findings"]} if report else None)

    return run


@pytest.fixture
def pimsim(tmp_path):
    """pimsim("run", "core", env={"PIMSIM_SECRET": "s"}) runs it to its end, in tmp_path."""
    return program_in(tmp_path)


@pytest.fixture
def play(tmp_path):
    """play(url, "core/first-contact") delivers, and has the journal judged offline: it must say the same."""
    return player_in(tmp_path)


@pytest.fixture
def launch(tmp_path):
    """launch("run", …) starts it and returns the Popen, which is ended with the test."""
    started = []

    def run(*args, env=None):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PIMSIM")}
        started.append(subprocess.Popen(
            [PROGRAM, *map(str, args)], cwd=tmp_path, env={**clean, **(env or {})}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def program():
    return PROGRAM
