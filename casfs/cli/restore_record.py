"""The record of a restore: the manifest of earlier runs, and what this one adds to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from casfs import __version__
from casfs.cli.messages import Messages
from casfs.cli.restore_wish import RestoreWish
from casfs.config import Config
from casfs.errors import CasfsError, ConfigError, DestinationDiskError
from casfs.restore.destination.line_check import damaged_text, is_begun
from casfs.restore.destination.manifest import ManifestWriter, now_text
from casfs.restore.destination.manifest_index import ManifestIndex
from casfs.restore.destination.opened_tree import OpenedTree
from casfs.restore.destination.own_directory import OwnDirectory, manifest_of, open_manifest_at
from casfs.restore.destination.recorder import Recorder
from casfs.restore.destination.sha256sums import sum_lines
from casfs.restore.request_options import Options
from casfs.restore.verdict import Verdict, stopped_by


@dataclass(frozen=True)
class RestoreRecord:
    """The record of a restore.

    Attributes:
        config: of the account.
        wish: what is wanted, and where the manifest is.
        options: how archives are requested.
        messages: gets warnings.
    """

    config: Config
    wish: RestoreWish
    options: Options
    messages: Messages

    def earlier(self, stack: ExitStack) -> ManifestIndex | None:
        """Return what earlier runs have recorded, until the stack ends; None if nothing.

        Raises:
            ConfigError: it cannot be read, or is not that of this vault.
        """
        path = self.wish.manifest or manifest_of(self.wish.destination)
        if not is_begun(path):
            return None
        index = stack.enter_context(ManifestIndex(path))
        if index.damaged:
            self.messages.warn(f"{path}: {damaged_text(index.damaged)}")
        if index.header.get("vault") != self.options.vault:
            raise ConfigError(
                f"{path} is the manifest of vault {index.header.get('vault')}; restore "
                f"{self.options.vault} into another directory, or give another --manifest"
            )
        return index

    @contextmanager
    def recording(
        self, run: str, tree: OpenedTree, own: OwnDirectory, stop: Callable[[CasfsError], None]
    ) -> Iterator[tuple[ManifestWriter, Recorder]]:
        """Record a run until the context ends.

        Args:
            run: identifies the restore.
            tree: the directory.
            own: what casfs keeps there.
            stop: is called if what is restored cannot be recorded.

        Raises:
            CasfsError: the manifest cannot be written.
        """
        wish = self.wish
        path = wish.manifest or own.manifest
        file = own.open_manifest() if wish.manifest is None else open_manifest_at(path)
        head = {
            "casfs": __version__,
            "vault": self.options.vault,
            "dialect": self.config.dialect,
            "endpoint": self.config.endpoint,
            "destination": str(tree.path),
            "created": now_text(),
        }
        begun: dict[str, Any] = {
            "type": "run",
            "run": run,
            "time": now_text(),
            "casfs": __version__,
            "path": wish.path,
            "tier": self.options.tier.value,
            "overwrite": wish.overwrite.value,
            "checksum": wish.checksum,
        }
        writer = ManifestWriter(file, path, head)
        try:
            writer.append([begun])
            yield writer, Recorder(writer, tree, stop)
        finally:
            writer.close()

    def write_sums(self, own: OwnDirectory, verdict: Verdict) -> int:
        """Write the file for `sha256sum -c`; return the exit status of a run that ended so."""
        try:
            with ManifestIndex(self.wish.manifest or own.manifest) as index:
                own.replace_sums(sum_lines(index))
        except DestinationDiskError as error:
            self.messages.warn(str(error))
            return max(verdict.status, stopped_by(error).status)
        return verdict.status
