"""One emulator and one mount for each dialect, as long as no test spoils them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from casfs.emulator.dialects.registry import DIALECTS
from tests.support.emulated_service import BIG, FILE, SIZES, Service, serving
from tests.support.mounting import mounted
from tests.system.conformance.doors import ClientDoor, Door, MountDoor, client_of

Opener = Callable[..., AbstractContextManager[Door]]
Troubled = Callable[..., Service]


@pytest.fixture(scope="module", params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Service]]:
    """Give the service of a dialect: one for all files."""
    running: dict[str, Service] = {}
    with ExitStack() as stack:

        def made(dialect: str) -> Service:
            if dialect not in running:
                starting = serving(dialect, tmp_path_factory.mktemp(dialect), {**SIZES, "big": BIG})
                running[dialect] = stack.enter_context(starting)
            return running[dialect]

        yield made


@pytest.fixture(scope="module")
def service(dialect: str, services: Callable[[str], Service]) -> Service:
    """A service that tests add to, and take nothing from."""
    return services(dialect)


@pytest.fixture(scope="module")
def troubled(dialect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubled]:
    """Give the service that is started with these options; one for all tests that ask for it."""
    running: dict[tuple[str, ...], Service] = {}
    with ExitStack() as stack:

        def made(*options: str) -> Service:
            if options not in running:
                root = tmp_path_factory.mktemp("trouble")
                running[options] = stack.enter_context(serving(dialect, root, FILE, *options))
            return running[options]

        yield made


@contextmanager
def _client_door(service: Service, folder: Path, **settings: str) -> Iterator[Door]:
    with closing(client_of(service, folder, **settings)) as client:
        yield ClientDoor(client)


@contextmanager
def _mount_door(service: Service, folder: Path, **settings: str) -> Iterator[Door]:
    told = {"CASFS_LISTING_TTL": "0", "CASFS_ATTEMPTS": "3", **service.settings, **settings}
    with mounted(folder, service.emulator.url, **told) as mount:
        yield MountDoor(mount)


OPENERS: dict[str, Opener] = {"client": _client_door, "mount": _mount_door}


@pytest.fixture(scope="module", params=OPENERS)
def open_door(request: pytest.FixtureRequest) -> Opener:
    """Opens the way to a service that a test goes: service, empty folder, settings."""
    return OPENERS[request.param]


@pytest.fixture(scope="module")
def door(
    service: Service, open_door: Opener, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """The way to `service` that all tests share."""
    with ExitStack() as stack:
        yield stack.enter_context(open_door(service, tmp_path_factory.mktemp("door")))
