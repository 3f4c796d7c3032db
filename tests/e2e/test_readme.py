"""What README.md tells people to copy: its connectors conform."""
import re
import shutil
import socket

import pytest

from conftest import ROOT

README = (ROOT / "README.md").read_text()
SNIPPETS = {
    "js": ("aep", "node", "node connector.js"),
    "php": ("events-api", "php", "php -S localhost:3000 connector.php"),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


@pytest.mark.parametrize("language", SNIPPETS)
def test_a_connector_of_the_readme_conforms(pimsim, tmp_path, language):
    platform, program, command = SNIPPETS[language]
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    port = free_port()
    (snippet,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (tmp_path / f"connector.{language}").write_text(snippet.replace("3000", port))
    secret = {"PIMSIM_SECRET": "s3cr3t", "AKENEO_SECRET": "s3cr3t"}
    run = pimsim("run", "-p", platform, "--url", f"http://localhost:{port}/", "--strict",
                 "--exec", command.replace("3000", port), env=secret)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 failed" in run.stdout


def test_the_files_that_the_readme_links_to_are_there():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
