"""make bench: speed and memory, one line a measure: the value, its target, pass or fail.

What can be a ratio is one, of two things measured in this run, turn by turn. docs/performance.md says what
each line means. Ends with 1 when a line fails.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
PIMSIM = os.path.join(BUILD, "pimsim")
CORES = sorted(os.sched_getaffinity(0))
CORE = CORES[-1]  # of client and sink, where they share one
TICKS = os.sysconf("SC_CLK_TCK")
SECRET = "a-secret-of-the-usual-length-for-a-connection"

REAL_TIME = False  # set by main

rows = []


def row(what, value, target="", ok=None):
    rows.append(ok)
    verdict = {None: "", True: "pass", False: "FAIL"}[ok]
    print(f"{what:<50} {value:>24}  {target:<16} {verdict}", flush=True)


def at_least(what, value, target, unit=""):
    row(what, f"{value:.2f}{unit}", f"≥ {target}{unit}", value >= target)


def at_most(what, value, target, unit=""):
    row(what, f"{value:.{2 if value < 10 else 0}f}{unit}", f"≤ {target}{unit}", value <= target)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def tool(name):
    return os.path.join(BUILD, "tests", "bench_" + name)


def pin(core, ahead=False):
    """For a child: its core; and, where we may, ahead of the neighbours, whose turns are none of pimsim's."""
    def prepare():
        os.sched_setaffinity(0, {core})
        if ahead and REAL_TIME:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return prepare


def may_be_real_time():
    child = os.fork()
    if child == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def seconds(*command, ok=(0,)):
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    if done.returncode not in ok:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
    return time.perf_counter() - start


class Sink:
    """bench_sink, on a core of its own or a shared one."""

    def __init__(self, core, *arguments, ahead=False):
        self.process = subprocess.Popen(
            [tool("sink"), *arguments], stdout=subprocess.PIPE, text=True, preexec_fn=pin(core, ahead))
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}/"

    def stats(self):
        with urllib.request.urlopen(self.url + "stats") as answer:
            return json.load(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.body = self.path("body.json")
        self.headers = self.path("headers.txt")
        self.make_event()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "w") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return self.path(name)

    def make_event(self):
        """An AEP event whose body is 1 KB, and the headers that pimsim sends with it."""
        with open("fixtures/aep/com.akeneo.pim.v1.product.updated.json") as file:
            event = json.load(file)
        values = event["data"]["product"]["values"] = []
        event["data"]["note"] = ""
        sign = (PIMSIM, "sign", self.path("event.json"), "--config=", "--secret", SECRET, "--seed", "1", "--as")

        def size():
            self.write("event.json", event)
            return len(output(*sign, "body").rstrip("\n").encode())

        while size() < 960:
            values.append({"locale": "en_US", "scope": None, "data": f"{len(values)} cm"})
        event["data"]["note"] = "n" * (1024 - size())
        assert size() == 1024
        self.write("body.json", output(*sign, "body").rstrip("\n"))
        self.write("headers.txt", output(*sign, "headers").rstrip("\n") + "\nExpect:\nAccept:\n")

    def scenario(self, name, events, **pace):
        entities = min(events, 100000)
        return self.write(name + ".json", {
            "title": name, "story": "A bench.", "platforms": ["aep"],
            "stream": [{"event": self.path("event.json"), "entities": entities, "times": events // entities}],
            "pace": pace, "rules": ["ack/deadline"]})

    def run_command(self, scenario, url, journal, *more):
        return [PIMSIM, "run", scenario, "--url", url, "--config=", "--secret", SECRET, "--seed", "1",
                "--quiet", "--journal", journal, *more]

    def journal(self, scenario, url, *options):
        """A whole run; its journal's records."""
        name = self.path("journal.ndjson")
        subprocess.run(self.run_command(scenario, url, name, *options), stdout=subprocess.DEVNULL,
                       preexec_fn=pin(CORES[0], ahead=True))
        with open(name) as file:
            return [json.loads(line) for line in file]

    # ---- emission --------------------------------------------------------------------------------

    def clients(self, url, in_flight):
        count = 10_000_000
        bare = [tool("bare_curl"), url, self.headers, self.body, str(count), str(in_flight)]
        scenario = self.scenario("emission", 1_000_000, concurrency=in_flight)
        clients = {
            "pimsim": self.run_command(scenario, url, self.path("emission.ndjson")),
            "poll": [*bare, "poll"],
            "socket": [*bare, "socket"],
        }
        if shutil.which("hey"):
            clients["hey"] = ["hey", "-n", str(count), "-c", str(in_flight), "-cpus", "1", "-m", "POST",
                              "-T", "application/json", "-D", self.body, url]
        return clients

    def rate(self, sink, command):
        """Requests for each second that the core worked for the two. What neighbours took does not count."""
        client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  preexec_fn=pin(CORE))
        while sink.stats()["requests"] < 1000:
            if client.poll() is not None:
                sys.exit(f"{command[0]}: ended, exit code {client.returncode}")
            time.sleep(0.1)

        def both():
            return cpu_seconds(client) + cpu_seconds(sink.process)

        sink.stats()
        before = both()
        time.sleep(1.2)
        rate = sink.stats()["requests"] / (both() - before)
        client.kill()
        client.wait()
        return rate

    def emission(self, in_flight=10, rounds=5):
        rates = {}
        with Sink(CORE) as sink:
            clients = self.clients(sink.url, in_flight)
            for _ in range(rounds):
                for name, command in clients.items():
                    rates.setdefault(name, []).append(self.rate(sink, command))
        os.unlink(self.path("emission.ndjson"))
        rate = {name: statistics.median(each) for name, each in rates.items()}
        bare = max(rate["poll"], rate["socket"])
        row("emission: bare libcurl multi loop", f"{bare:,.0f}/s")
        row("emission: pimsim, signed, timed, journaled", f"{rate['pimsim']:,.0f}/s")
        at_least("emission: pimsim ÷ bare libcurl", rate["pimsim"] / bare, 0.9)
        if "hey" in rate:
            row("emission: hey", f"{rate['hey']:,.0f}/s")
            at_least("emission: pimsim ÷ hey", rate["pimsim"] / rate["hey"], 1)
        else:
            row("emission: hey", "not installed")

    # ---- time ------------------------------------------------------------------------------------

    def pacing(self):
        scenario = self.scenario("pacing", 1000, rate=100)
        with Sink(CORE, "--stamps") as sink:
            busy = subprocess.Popen(
                [tool("bare_curl"), sink.url, self.headers, self.body, "10000000", "4", "poll"], preexec_fn=pin(CORE))
            records = self.journal(scenario, sink.url + "paced", "--speed", "1")
            busy.kill()
            busy.wait()
            arrivals = sink.stats()["arrivals_us"]
        start = records[0]["started_us"]
        due = [start + r["scheduled_us"] for r in records if r["record"] == "send"]
        late = [arrival - moment for arrival, moment in zip(arrivals, due)]
        row("pacing at 100/s beside a busy sink: p50", f"{percentile(late, 0.5)} µs")
        at_most("pacing at 100/s beside a busy sink: p99", percentile(late, 0.99), 150, " µs")

    def ack(self):
        scenario = self.scenario("ack", 800, concurrency=1)
        with Sink(CORE, ahead=True) as sink:
            records = self.journal(scenario, sink.url + "delay")
            delays = sink.stats()["delays_us"]
        acks = [r["ack_us"] for r in records if r["record"] == "answer"]
        errors = [abs(ack - delay) for ack, delay in zip(acks, delays)]
        row("ack time, against the server's own: p50", f"{percentile(errors, 0.5)} µs off")
        at_most("ack time, against the server's own: p99", percentile(errors, 0.99), 500, " µs")

    def version(self):
        def median_ms(*command):
            times = []
            ahead = {"scheduler": (os.SCHED_FIFO, os.sched_param(1))} if REAL_TIME else {}
            quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
            for _ in range(50):
                start = time.perf_counter()
                os.waitpid(os.posix_spawn(command[0], command, os.environ, file_actions=quiet, **ahead), 0)
                times.append((time.perf_counter() - start) * 1000)
            return statistics.median(times)

        row("a program that links libcurl, and ends", f"{median_ms(tool('bare_curl')):.2f} ms")
        at_most("pimsim --version, median of 50", median_ms(PIMSIM, "--version"), 5, " ms")

    # ---- work ------------------------------------------------------------------------------------

    def signing(self):
        ours, theirs = {}, {}
        for _ in range(3):
            for size, ns in json.loads(output(tool("sign"))).items():
                ours.setdefault(size, []).append(int(size) / ns * 1e3)
                told = output("openssl", "speed", "-seconds", "1", "-bytes", size, "-hmac", "sha256")
                theirs.setdefault(size, []).append(float(re.search(r"^hmac.* ([\d.]+)k$", told, re.M)[1]) / 1e3)
        for size in ours:
            row(f"signing {size} bytes", f"{max(ours[size]):.0f} MB/s")
            at_least(f"signing {size} bytes ÷ openssl speed", max(ours[size]) / max(theirs[size]), 0.9)

    def splicing(self):
        for name, cost in json.loads(output(tool("splice"))).items():
            what = f"{name}, {cost['bytes']} bytes"
            row(what, f"{cost['splice_ns'] / 1000:.1f} of cJSON's {cost['cjson_ns'] / 1000:.1f} µs")
            if name.endswith("computed"):
                continue
            at_least(f"{name}: cJSON ÷ spliced", cost["cjson_ns"] / cost["splice_ns"], 2)

    def planning(self):
        cost = {}
        for events in (100_000, 1_000_000):
            scenario = {
                "title": "plan", "story": "A bench.", "platforms": ["aep"],
                "stream": [{"event": "product.created", "entities": events // 10},
                           {"event": "product.updated", "times": 9}],
                "pace": {"rate": 100},
                "faults": [{"duplicate": {"share": 0.1}}, {"reorder": {"share": 0.1}}],
                "rules": ["ack/deadline"]}
            path = self.write("plan.json", scenario)
            cost[events] = min((json.loads(output(tool("plan"), path)) for _ in range(3)), key=lambda c: c["us"])
        few, many = cost[100_000], cost[1_000_000]
        ratio = many["us"] / few["us"] * few["events"] / many["events"] * 10
        row("plan of 1,000,000 events", f"{many['us'] / 1e6:.2f} s")
        row("plan of 1,000,000 ÷ plan of 100,000", f"{ratio:.1f}", "10 ± 2.5", abs(ratio - 10) <= 2.5)
        at_most("plan, resident at its peak", many["bytes"] / many["events"], 200, " B/event")

    def hours(self):
        """The laws over hours. What the events of a simulated hour cost is what an hour costs."""
        runs = [[json.loads(line) for line in output(tool("hours")).splitlines()] for _ in range(3)]
        stories = [min(same, key=lambda story: story["us"]) for same in zip(*runs)]
        for story in stories:
            rate = story["hours"] / story["us"] * 1e6
            busy = story["events"] == 1_000_000  # no day of a shop: what an hour costs, its events do
            row(story["story"], f"{rate:,.0f} hours/s", "" if busy else "≥ 1,000 hours/s",
                None if busy else rate >= 1000)
        millions = [story for story in stories if story["events"] == 1_000_000]
        few, many = (max(story["us"] / story["events"] for story in some) for some in (stories[1:2], millions))
        row("an event of those, at most", f"{1000 * many:.0f} ns")
        at_most("an event of a million ÷ one of 86,400", many / few, 2)
        at_most("plan and platform at their peak", max(story["bytes"] for story in millions) / 1e6, 200, " B/event")

    def judging(self):
        """A real run's records, again and again under new numbers, until they are a million."""
        deliveries, times = 33_400, 10
        with Sink(CORE) as sink:
            name = self.path("journal.ndjson")
            scenario = self.scenario("journal", deliveries, concurrency=10)
            subprocess.run(self.run_command(scenario, sink.url, name), stdout=subprocess.DEVNULL)
        with open(name) as file:
            lines = file.readlines()
        numbered = [re.split(r'(?<="delivery":)(\d+)', line, maxsplit=1) for line in lines[2:-2]]
        big = self.path("big.ndjson")
        with open(big, "w") as file:
            file.writelines(lines[:2])
            for i in range(times):
                file.writelines(f"{a}{int(n) + i * deliveries}{b}" for a, n, b in numbered)
            file.writelines(lines[-2:])
        records, size = len(numbered) * times + 4, os.path.getsize(big)
        took = min(seconds(PIMSIM, "judge", "--quiet", "--config=", big) for _ in range(2))
        row(f"judge of {records:,} records, {size / 1e6:,.0f} MB", f"{took:.2f} s", "≤ 5 s", took <= 5)
        os.unlink(big)

    def commands(self):
        at_most("sign --count 100000", seconds(PIMSIM, "sign", "product.updated", "--config=", "--secret", SECRET,
                                               "--count", "100000"), 5, " s")
        for platform in ("aep", "events-api"):
            at_most(f"the suite on the reference connector, {platform}",
                    seconds(PIMSIM, "demo", "--quiet", "--config=", "--platform", platform), 30, " s")


def main():
    global REAL_TIME
    REAL_TIME = may_be_real_time()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="pimsim-bench-") as folder:
        bench = Bench(folder)
        for measure in (bench.emission, bench.pacing, bench.ack, bench.signing, bench.splicing, bench.version,
                        bench.planning, bench.hours, bench.judging, bench.commands):
            measure()
    print(f"\n{rows.count(True)} passed, {rows.count(False)} failed")
    return 1 if False in rows else 0


if __name__ == "__main__":
    sys.exit(main())
