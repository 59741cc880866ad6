"""What ``make versions`` runs, and with which versions."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = re.findall(
    r"^([\w-]+)==([\d.]+)$", (ROOT / "constraints" / "oldest.txt").read_text(), re.MULTILINE
)


@pytest.mark.parametrize(("name", "version"), PINNED)
def test_the_oldest_versions_are_those_that_the_project_asks_for(name, version):
    (least,) = (
        needed.partition(">=")[2]
        for needed in PROJECT["dependencies"]
        if needed.partition(">=")[0] == name
    )
    assert version == least or version.startswith(f"{least}.")


def test_the_oldest_of_what_changes_most_are_pinned():
    assert {"torch", "torchvision", "captum", "lightning"} <= {name for name, _ in PINNED}


def test_the_tests_of_make_versions_are_there():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    paths = re.search(r"^VERSIONS_TESTS := (.*)$", text, re.MULTILINE)[1].split()
    assert len(paths) > 5
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_an_installed_package_has_every_file_that_it_reads():
    """Public names are read from .pyi files at run time; templates and weights are data too."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    patterns = tomllib.loads(text)["tool"]["setuptools"]["package-data"]
    for package, own in patterns.items():
        listed = {path for pattern in own for path in (ROOT / package).glob(pattern)}
        data = {
            path
            for path in (ROOT / package).rglob("*")
            if path.is_file() and path.suffix not in (".py", ".pyc")
        }
        assert not data - listed
