"""What a service tells of an archive with its bytes names it, before any inventory does."""

import time
from contextlib import closing
from pathlib import Path

from tests.support.emulated_service import VAULT, Service
from tests.system.conformance.doors import client_of

PATIENCE = 30.0
"""Seconds for what is done in the background."""


def test_an_archive_that_was_read_has_the_name_that_came_with_it(
    service: Service, tmp_path: Path
) -> None:
    tells = service.dialect == "glacier"
    with closing(client_of(service, tmp_path)) as client:
        archives = f"/vaults/{VAULT}/archives"
        by_id = client.stat(f"{archives}/by-id/{service.archives['over']}")
        assert not [node for node in client.list(archives) if not node.is_directory]
        file = client.open(by_id)
        file.pread(1, 0)
        file.close()
        end = time.monotonic() + PATIENCE
        names: list[str] = []
        while tells and not names and time.monotonic() < end:
            names = [node.path for node in client.list(archives) if not node.is_directory]
        assert names == ([f"{archives}/over"] if tells else [])
        told = client.attributes(client.stat(by_id.path)).get("description")
        assert told == ("over" if tells else None)
