"""Multipart uploads: initiated, filled part by part, completed or aborted."""

import os
from collections.abc import Callable
from dataclasses import astuple

from casfs.emulator.engine.errors import (
    BadPartError,
    BadValueError,
    NoUploadError,
    WrongDigestError,
)
from casfs.emulator.engine.incoming import Received
from casfs.emulator.engine.records import Archive, Part, Upload
from casfs.emulator.engine.store import Store
from casfs.emulator.engine.vaults import Vaults
from casfs.emulator.settings import Settings
from casfs.treehash import LEAF_SIZE

PARTS_LIMIT = 10_000
"""Maximum number of parts (the services' pages on Initiate Multipart Upload)."""


class Uploads:
    """The operations on multipart uploads; their vault must exist.

    Args:
        store: holds the uploads.
        vaults: get the archives of completed uploads.
        settings: the rules and the open questions.
        clock: returns Unix seconds.
    """

    def __init__(
        self, store: Store, vaults: Vaults, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._vaults = vaults
        self._clock = clock
        self._rules = settings.rules
        self._inclusive = settings.questions.marker == "inclusive"

    @property
    def _oldest(self) -> float:
        """Uploads that were initiated before this time have expired."""
        return self._clock() - self._rules.upload_seconds

    def begin(self, vault: str, description: str | None, part_size: int) -> Upload:
        """Initiate an upload.

        Raises:
            BadValueError: the part size is not a multiple of 1 MiB that the service allows.
        """
        count, rest = divmod(part_size, LEAF_SIZE)
        doubles, limit = self._rules.doubles_part_size, self._rules.part_size_limit
        if rest or count < 1 or (doubles and count & (count - 1)) or part_size > limit:
            factor = "a power of two" if doubles else "a whole number"
            raise BadValueError(f"The part size must be 1 MiB times {factor}: {part_size}")
        upload_id = self._rules.new_id(self._rules.upload_id_length)
        upload = Upload(upload_id, vault, description, part_size, self._clock())
        (self._store.uploads / upload.id).touch()
        with self._store.writing() as rows:
            rows.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", astuple(upload))
        return upload

    def get(self, vault: str, upload_id: str) -> Upload:
        """Return an upload that can be continued.

        Raises:
            NoUploadError: it is unknown, completed, aborted or expired.
        """
        row = self._store.rows.execute(
            "SELECT * FROM uploads WHERE vault = ? AND id = ? AND created >= ?",
            (vault, upload_id, self._oldest),
        ).fetchone()
        if row is None:
            raise NoUploadError(upload_id)
        return Upload(*row)

    def page(self, vault: str, marker: str, limit: int) -> tuple[list[Upload], str | None]:
        """Return a page of uploads by id, and the next page's marker (None = the last page)."""
        rows = self._store.rows.execute(
            "SELECT * FROM uploads WHERE vault = ? AND id >= ? AND (? OR id <> ?) AND created >= ?"
            " ORDER BY id LIMIT ?",
            (
                vault,
                marker,
                self._inclusive,
                marker,
                self._clock() - self._rules.upload_seconds,
                limit + 1,
            ),
        )
        found = [Upload(*row) for row in rows]
        following = None
        if len(found) > limit:
            following = found[limit if self._inclusive else limit - 1].id
        return found[:limit], following

    def check_part(self, upload: Upload, first: int, last: int) -> None:
        """Check the offsets of a part before its body is read.

        Raises:
            BadPartError: it is not aligned to the part size, is too long, or is one too many.
        """
        place, rest = divmod(first, upload.part_size)
        if rest or not first <= last < first + upload.part_size or place >= PARTS_LIMIT:
            raise BadPartError(
                f"Invalid range of a part of {upload.part_size} bytes: {first}-{last}"
            )

    def add_part(self, upload: Upload, first: int, body: Received) -> Part:
        """Store a part that was received and verified; it replaces an earlier one at its offset.

        Raises:
            OSError: the bytes could not be copied.
        """
        root = self._rules.tree.root(body.leaves)
        leaves = b"".join(body.leaves)
        part = Part(upload.id, first, first + body.size - 1, root, leaves, body.digest)
        with body.file.open("rb") as source, (self._store.uploads / upload.id).open("r+b") as whole:
            left, place = body.size, first
            while left:
                copied = os.copy_file_range(source.fileno(), whole.fileno(), left, offset_dst=place)
                if not copied:
                    raise OSError(f"{body.file} ends {left} bytes early")
                left, place = left - copied, place + copied
        with self._store.writing() as rows:
            rows.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)", astuple(part))
        return part

    def parts(self, upload: Upload, marker: int, limit: int) -> tuple[list[Part], int | None]:
        """Return a page of parts by offset, and the next page's marker (None = this is the last).

        Args:
            upload: the upload.
            marker: an offset in the archive, or -1 for the first page.
            limit: the maximum number of parts to return.
        """
        found = self._parts(upload, marker if self._inclusive else marker + 1, limit + 1)
        following = None
        if len(found) > limit:
            following = found[limit if self._inclusive else limit - 1].first
        return found[:limit], following

    def _parts(self, upload: Upload, first: int, limit: int) -> list[Part]:
        rows = self._store.rows.execute(
            "SELECT * FROM parts WHERE upload = ? AND first >= ? ORDER BY first LIMIT ?",
            (upload.id, first, limit),
        )
        return [Part(*row) for row in rows]

    def complete(self, upload: Upload, size: int, tree_hash: bytes) -> Archive:
        """Create an archive from all parts.

        Raises:
            BadPartError: parts are missing.
            BadValueError: the size does not match.
            WrongDigestError: the tree hash does not match.
        """
        parts = self._parts(upload, 0, PARTS_LIMIT)
        end = 0
        for part in parts:
            if part.first != end or end % upload.part_size:
                raise BadPartError(f"A part is missing or too short before offset {part.first}")
            end = part.last + 1
        if not parts or end != size:
            raise BadValueError(f"The parts have {end} bytes, not {size}")
        leaves = [leaf for part in parts for leaf in self._store.split_digests(part.leaves)]
        if self._rules.tree.root(leaves) != tree_hash:
            raise WrongDigestError("The tree hash of the parts is not the one in the request")
        file = self._store.uploads / upload.id
        # A longer last part that was replaced leaves bytes at the end.
        os.truncate(file, size)
        body = Received(file, size, b"", tuple(leaves))
        with self._store.writing():
            archive = self._vaults.add_archive(upload.vault, upload.description, body)
            self.abort(upload)
        return archive

    def abort(self, upload: Upload) -> None:
        """Remove an upload with its parts and its file."""
        with self._store.writing() as rows:
            rows.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
            rows.execute("DELETE FROM uploads WHERE id = ?", (upload.id,))
        (self._store.uploads / upload.id).unlink(missing_ok=True)
