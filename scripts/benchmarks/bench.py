"""What every scenario is given: the origin, the sizes, and mounts on folders of their own."""

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from benchmarks import measure, mounts, peers
from benchmarks.measure import Comparison, Measures, Unit
from benchmarks.mounts import CasfsMount, Mount
from benchmarks.origin import Origin, Scheme
from benchmarks.peers import Mode

MIB = 1 << 20
GIB = 1 << 30
CASFS = "casfs"
M = TypeVar("M", bound=Mount)


@dataclass(frozen=True)
class Bench:
    """One run.

    Attributes:
        origin: serves what is read.
        folder: for all files of the run.
        turns: how often each contestant runs.
        scale: factor for sizes and counts; 1 for figures to be published.
        tell: is told what goes on.
    """

    origin: Origin
    folder: Path
    turns: int
    scale: float
    tell: Callable[[str], None]
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def over(self, scheme: Scheme) -> "Bench":
        """Return the same run, whose origin is reached by a scheme."""
        return replace(self, origin=self.origin.over(scheme))

    @property
    def tls(self) -> bool:
        """Tell whether the origin is reached over TLS."""
        return self.origin.scheme is Scheme.TLS

    def size(self, whole: int) -> int:
        """Return bytes, scaled, in whole MiB."""
        return max(8, round(whole * self.scale / MIB)) * MIB

    def count(self, whole: int) -> int:
        """Return a number of things, scaled."""
        return max(16, round(whole * self.scale))

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """Yield a folder that is deleted when the context ends."""
        folder = self.folder / f"tmp-{next(self._numbers)}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @contextlib.contextmanager
    def casfs(
        self, endpoint: str, cache: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> Iterator[CasfsMount]:
        """Mount with casfs; with a given cache folder, or an empty one; caches dropped."""
        with (
            self.temporary() as folder,
            _dropped(mounts.casfs(endpoint, folder, cache or folder / "cache", settings)) as mount,
        ):
            yield mount

    @contextlib.contextmanager
    def rclone(self, mode: Mode, endpoint: str, cache: Path | None = None) -> Iterator[Mount]:
        """Mount with rclone; with a given cache folder, or an empty one; caches dropped."""
        with (
            self.temporary() as folder,
            _dropped(peers.rclone(mode, endpoint, folder, cache or folder / "cache")) as mount,
        ):
            yield mount

    def contestants(
        self,
        endpoint: str,
        modes: tuple[Mode, ...],
        run: Callable[[Mount], Measures],
    ) -> dict[str, Callable[[], Measures]]:
        """Return contestants, casfs and each mode of rclone by name: `run`, on a cold mount."""

        def ours() -> Measures:
            with self.casfs(endpoint) as mount:
                measures = run(mount)
                mount.check()
                return measures

        return {CASFS: ours} | self.rclones(endpoint, modes, run)

    def rclones(
        self,
        endpoint: str,
        modes: tuple[Mode, ...],
        run: Callable[[Mount], Measures],
    ) -> dict[str, Callable[[], Measures]]:
        """Return contestants, each mode of rclone by name: `run`, on a cold mount."""

        def theirs(mode: Mode) -> Callable[[], Measures]:
            def turn() -> Measures:
                with self.rclone(mode, endpoint) as mount:
                    return run(mount)

            return turn

        return {mode.name: theirs(mode) for mode in modes}

    def compare(
        self,
        contestants: Mapping[str, Callable[[], Measures]],
        titles: Mapping[str, tuple[str, Unit]],
        turns: int | None = None,
    ) -> dict[str, Comparison]:
        """Let contestants take turns; return a comparison for each measure.

        Args:
            contestants: by name, the one to compare with the others first.
            titles: title and unit of each measure.
            turns: how often each one runs, if not as often as the run's options say.
        """
        found = measure.in_turns(contestants, turns or self.turns, self.tell)
        return {what: Comparison(*titles[what], series) for what, series in found.items()}


@contextlib.contextmanager
def _dropped(mounting: contextlib.AbstractContextManager[M]) -> Iterator[M]:
    with mounting as mount:
        measure.start_cold()
        yield mount
