"""What plays a table of cases: one run of pimsim for each, several at a time, each in a folder of its own."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "build" / "pimsim"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run(line, environment, folder, timeout):
    """pimsim with these arguments: the report (None when there is none), and what it said. Keeps the journal."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PIMSIM")}
    record, report = folder / "run.ndjson", folder / "run.json"
    done = subprocess.run([*line, "--journal", str(record), "--report-json", str(report)], env={**clean, **environment},
                          cwd=folder, timeout=timeout, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    return json.loads(report.read_text()) if report.exists() else None, done


def check(case, play, complaints):
    folder, started = pathlib.Path(tempfile.mkdtemp(prefix="case-")), time.monotonic()
    try:
        report, done = play(case, os.path.abspath(os.environ.get("PIMSIM", PROGRAM)), folder)
        wrong = complaints(case, report) if report else [f"exit code {done.returncode}: {done.stderr.strip()[-300:]}"]
    except subprocess.TimeoutExpired:
        wrong = ["it never ended"]
    if wrong and os.environ.get("KEEP"):
        wrong.append(str(folder))
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return wrong, time.monotonic() - started


def check_all(words, cases, name, play, complaints):
    """The cases with one of the words in their name, JOBS at a time; an exit code."""
    passed = failed = 0
    chosen = [case for case in cases if not words or any(word in name(case) for word in words)]
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        checks = pool.map(lambda case: check(case, play, complaints), chosen)
        for case, (wrong, seconds) in zip(chosen, checks):
            passed, failed = passed + (not wrong), failed + bool(wrong)
            print(f"{name(case):50} {seconds:5.1f} s  {' | '.join(wrong) or 'ok'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
