"""make layers can fail: each kind of violation, put into a copy of the sources, is named with its place."""
import shutil
import subprocess

import pytest
from conftest import ROOT


def layers(folder):
    return subprocess.run(["sh", ROOT / "tests" / "layers.sh", folder], capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(ROOT / "sim", tmp_path / "sim")


def test_the_sources_keep_to_their_layers(copy):
    assert (layers(copy).stdout, layers(copy).returncode) == ("", 0)


@pytest.mark.parametrize("file, line, says", [
    ("opts.c", '#include "scenario.h"', "layer 1 includes scenario.h of layer 4"),
    ("plan.h", '#include "judge.h"', "layer 5 includes judge.h of layer 7"),
    ("judge.c", '#include "platform.h"', "must not know platform.h"),
    ("connector.c", '#include "sign.h"', "must not know sign.h"),
    ("plan.c", '#include "unheard_of.h"', "unheard_of.h is missing in sim/LAYERS"),
    ("plan.c", "#include <curl/curl.h>", "only deliver.c may say this"),
    ("deliver.c", "#include <openssl/evp.h>", "only sign.c connector.c may say this"),
    ("deliver.c", "#include <microhttpd.h>", "only httpd.c may say this"),
    ("journal.c", "#include <yajl/yajl_parse.h>", "only json.c may say this"),
    ("journal.c", "#include <sqlite3.h>", "only inbox.c may say this"),
    ("json.c", "#include <cJSON.h>", "only connector.c ask.c may say this"),
    ("plan.c", "static long now(void) { return time(NULL); }", "only clock.c may say this"),
    ("loop.c", "    clock_gettime(CLOCK_MONOTONIC, &now);", "only clock.c may say this"),
    ("plan.c", "    return random();", "only rng.c may say this"),
    ("stray.c", "/* a module that LAYERS does not have */", "is missing in sim/LAYERS"),
])
def test_a_violation_is_named(copy, file, line, says):
    path = copy / file
    before = path.read_text() if path.exists() else ""
    path.write_text(before + line + "\n")
    done = layers(copy)
    place = f"sim/{file}:{before.count(chr(10)) + 1}: "
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith(place) and says in line]
