"""The installed libraries have the internals that casfs uses, and one module alone uses them."""

import http.client
import importlib.metadata
import re
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest
import requests
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

import casfs
from casfs.third_party_internals import INTERNALS, original_response
from tests.support.server import Answer, serving

BINDINGS = {"fuse": "fusepy", "mfusepy": "mfusepy"}
PRIVATE = re.compile(r"\._(?:original_response|sock|libfuse|new_conn)\b|pool_classes_by_scheme")


@pytest.fixture
def answer():
    """An answer whose body is not read."""
    with (
        serving(lambda _request, _wire: Answer(body=b"x" * 100)) as server,
        requests.get(server.url, stream=True, timeout=10) as answer,
    ):
        yield answer


@pytest.fixture
def objects(answer):
    """An object of each class that is in the list."""
    return {
        "urllib3.response:HTTPResponse": answer.raw,
        "http.client:HTTPResponse": original_response(answer),
        "urllib3.poolmanager:PoolManager": PoolManager(),
        "urllib3.connectionpool:HTTPConnectionPool": HTTPConnectionPool,
        "urllib3.connectionpool:HTTPSConnectionPool": HTTPSConnectionPool,
        "urllib3.connection:HTTPConnection": HTTPConnection("127.0.0.1"),
    }


def lacks(place: str, distribution: str) -> str:
    named = f"{distribution} {importlib.metadata.version(distribution)}"
    if place.startswith("http.client"):
        named = f"Python {sys.version}"
    return f"{named} lacks {place}, which casfs uses {INTERNALS[place]}"


@pytest.mark.parametrize("place", [p for p in INTERNALS if p.partition(":")[0] not in BINDINGS])
def test_the_http_libraries_have_what_we_use(place, objects):
    kind, _, attribute = place.rpartition(".")
    while kind not in objects:
        kind, _, more = kind.rpartition(".")
        attribute = f"{more}.{attribute}"
    try:
        attrgetter(attribute)(objects[kind])
    except AttributeError:
        pytest.fail(lacks(place, "urllib3"))


@pytest.mark.parametrize("place", [p for p in INTERNALS if p.partition(":")[0] in BINDINGS])
def test_the_fuse_bindings_have_what_we_use(place):
    module, _, attribute = place.partition(":")
    found = subprocess.run(
        [sys.executable, "-c", f"import {module}; {module}.{attribute}"],
        env={"FUSE_LIBRARY_NAME": "fuse3"} if module == "mfusepy" else {},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, f"{lacks(place, BINDINGS[module])}\n{found.stderr}"


def test_the_answer_of_the_standard_library_is_found(answer):
    assert isinstance(original_response(answer), http.client.HTTPResponse)


def test_no_other_module_uses_them():
    package = Path(casfs.__file__).parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.glob("**/*.py")
        if PRIVATE.search(path.read_text())
    }
    assert users == {"third_party_internals.py"}
