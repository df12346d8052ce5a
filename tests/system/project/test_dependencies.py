"""The oldest versions that casfs accepts have no hole that is known."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
FIXED_IN = {
    "aiohttp": "3.14.3",  # CVE-2026-69244, and those fixed in 3.13.3, 3.13.4, 3.14.0 to 3.14.2
    "botocore": "1.43",  # earlier ones are older than the urllib3 that has no known hole
    "click": "8.3.3",  # CVE-2026-7246
    "orjson": "3.11.6",  # CVE-2025-67221
    "requests": "2.33",  # CVE-2026-25645, CVE-2024-47081
    "urllib3": "2.7",  # CVE-2026-44431, CVE-2026-44432, CVE-2026-21441, CVE-2025-66418, -66471
}
"""First version in which everything that was known in November 2026 is fixed."""


def floors() -> dict[str, Version]:
    extras = PROJECT["optional-dependencies"]["emulator"]
    found = {}
    for text in (*PROJECT["dependencies"], *extras):
        requirement = Requirement(text)
        (floor,) = [one for one in requirement.specifier if one.operator == ">="]
        found[requirement.name] = Version(floor.version)
    return found


@pytest.mark.parametrize("name", FIXED_IN)
def test_no_version_with_a_known_hole_is_accepted(name):
    assert floors()[name] >= Version(FIXED_IN[name])


@pytest.mark.parametrize("name", floors())
def test_what_is_tested_is_accepted(name):
    assert Version(metadata.version(name)) >= floors()[name]
