"""The kill matrix: every bug of the reference connector against the whole suite, on both platforms.

A bug must be found by the rule that owns it, and by no other MUST rule; the sound connector passes
everything, every time, hours and migration included. A bug whose rule only hours show meets those scenarios
alone; one of a port plays the migration, and on the other platform, where it does nothing, a short suite.
PIMSIM names the program; JOBS how many run at a time."""
import concurrent.futures
import json
import os
import subprocess
import sys
import time

PROGRAM = os.environ.get("PIMSIM", "build/pimsim")
JOBS = int(os.environ.get("JOBS", "2"))
PLATFORMS = ("events-api", "aep")
SOUND_RUNS = 2
SLOW_FIRST = ("load-serial", "ack-slow", "no-headroom")  # a long run that starts last is waited for
HOURS, MIGRATION = "hours", "migration"  # suites that are played only when they are named
SHORT = "core"
COLUMNS = "%-18s %-11s %-18s %-18s %-34s %7s  %s"


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("PIMSIM")}


def ask(*words):
    out = subprocess.run([PROGRAM, *words, "--format", "json"], env=environment(), check=True,
                         stdout=subprocess.PIPE).stdout
    return json.loads(out)


def played_apart(rule):
    """What to name for a rule that a run without names does not judge: scenarios that last for hours, or the
    whole migration; nothing for others."""
    names = ask("explain", rule)["scenarios"] if rule else []
    suites = {name.split("/")[0] for name in names}
    return [MIGRATION] if suites == {MIGRATION} else names if suites == {HOURS} else []


def scenarios_of(bug):
    """By platform, what to name for a bug; nothing: the suite. One that the migration shows does nothing on
    the platform without a rule of its own: a short suite tells that."""
    names = {p: played_apart(bug[p]) for p in PLATFORMS}
    of_port = [MIGRATION] in names.values()
    return {p: names[p] or ([SHORT] if of_port and not bug[p] else []) for p in PLATFORMS}


def rows():
    """(bug or None, platform, owner rule or None, scenarios) in the order in which they run."""
    bugs = sorted(ask("list", "bugs"), key=lambda b: b["bug"] not in SLOW_FIRST)
    table = [(b["bug"], p, b[p], names) for b in bugs for p, names in scenarios_of(b).items()]
    table += [(None, p, None, []) for p in PLATFORMS] * SOUND_RUNS
    table += [(None, p, None, [HOURS]) for p in PLATFORMS]
    table += [(None, "aep", None, [MIGRATION])] * SOUND_RUNS
    return table


def play(bug, platform, scenarios):
    """One run: the report, or what went wrong instead."""
    command = [PROGRAM, "demo", "--config=", "-p", platform, "--format", "json", "-q", *scenarios]
    command += ["--bug", bug] if bug else []
    started = time.monotonic()
    try:
        run = subprocess.run(command, env=environment(), timeout=300, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        report = json.loads(run.stdout) if run.returncode in (0, 1, 4) else None
        trouble = f"exit code {run.returncode}: {run.stderr.strip()[-200:]}"
    except (subprocess.TimeoutExpired, ValueError) as error:
        report, trouble = None, f"no report: {error}"
    return report, trouble, time.monotonic() - started


def complaints(owner, failed, report):
    """What is wrong with a row; nothing, when it went as it should."""
    found = []
    if owner and owner not in failed:
        found.append(f"survived {owner}")
    for rule, level in failed.items():
        if rule != owner and (level == "must" or not owner):
            found.append(f"{rule} fails as well" if owner else f"{rule} fails")
    if report["interrupted"]:
        found.append("the run ended early")
    if not owner:
        found += [f"{f['rule']} inconclusive" for f in report["findings"] if f["verdict"] == "inconclusive"]
        found += [] if report["verdict"] == "conforms" else [f"verdict {report['verdict']}"]
    return found


def check(row):
    bug, platform, owner, scenarios = row
    report, trouble, seconds = play(bug, platform, scenarios)
    if report is None:
        return row, "-", "-", [trouble], seconds
    failed = {f["rule"]: f["level"] for f in report["findings"] if f["verdict"] == "fail"}
    others = ", ".join(f"{r} ({level})" for r, level in failed.items() if r != owner)
    return row, owner if owner in failed else "-", others or "-", complaints(owner, failed, report), seconds


def main():
    started = time.monotonic()
    passed = failed = 0
    print(COLUMNS % ("bug", "platform", "owner", "found by", "other failures", "seconds", ""), flush=True)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for (bug, platform, owner, scenarios), found, others, wrong, seconds in pool.map(check, rows()):
            passed, failed = passed + (not wrong), failed + bool(wrong)
            print((COLUMNS % (bug or "(sound)" + "".join(" " + s for s in scenarios), platform, owner or "-", found, others, f"{seconds:.1f}",
                              "NOT OK: " + "; ".join(wrong) if wrong else "")).rstrip(), flush=True)
    print(f"kill matrix, {time.monotonic() - started:.0f} s: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
