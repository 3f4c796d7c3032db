"""The real program, over real files and sockets. PIMSIM names it; by default it is the build's."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PIMSIM", str(ROOT / "build" / "pimsim"))


@pytest.fixture
def pimsim(tmp_path):
    """pimsim("run", "core", env={"PIMSIM_SECRET": "s"}) runs it to its end, in tmp_path."""

    def run(*args, env=None, cwd=tmp_path, timeout=60, **more):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PIMSIM")}
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
        return subprocess.run([PROGRAM, *map(str, args)], cwd=cwd, timeout=timeout, env={**clean, **(env or {})}, **more)

    return run
