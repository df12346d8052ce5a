"""Vaults and what comes into them: archives in one piece or in parts."""

from collections.abc import Callable

from casfs.emulator.errors import BadValue, NotEmpty, NotThere, TooMany, WrongDigest
from casfs.emulator.incoming import Received
from casfs.emulator.records import Archive, Part, Upload, Vault
from casfs.emulator.settings import Settings
from casfs.emulator.store import Store, new_id, split_digests
from casfs.treehash import LEAF_SIZE, SHA256

ARCHIVE_ID_LENGTH = 128
"""Characters of an archive id (samples in the CAS documentation, Command line tool)."""

UPLOAD_ID_LENGTH = 64
"""Characters of an upload id (same source)."""

VAULTS_LIMIT = 1000
"""Vaults in one account (CAS documentation, Create Vault)."""

PARTS_LIMIT = 10_000
"""Parts of one upload (CAS documentation, Initiate Multipart Upload)."""

PART_SIZE_LIMIT = 4 << 30
"""Bytes of the largest part (Amazon Glacier, Initiate Multipart Upload; CAS names no limit)."""

UPLOAD_SECONDS = 24 * 3600
"""The life of a multipart upload (CAS documentation, Initiate Multipart Upload)."""

INVENTORY_SECONDS = 24 * 3600
"""The age at which the counts of a vault are taken anew (CAS documentation, List Vaults)."""


class Vaults:
    """All that can be done with vaults, archives and uploads.

    Args:
        store: where they are.
        settings: the open questions.
        clock: Unix seconds.
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._inclusive = settings.questions.marker == "inclusive"
        self._output_seconds = settings.output_hours * 3600

    def create(self, name: str) -> None:
        """Make a vault; one that is there already stays as it is.

        Raises:
            TooMany: the account has all the vaults it may have.
        """
        if self._store.vault(name) is None and self._store.vault_count() >= VAULTS_LIMIT:
            raise TooMany(f"An account has at most {VAULTS_LIMIT} vaults")
        self._store.add_vault(Vault(name, self._clock()))

    def get(self, name: str) -> Vault:
        """Return a vault, its counts at most a day old.

        Raises:
            NotThere: there is none of that name.
        """
        vault = self._store.vault(name)
        if vault is None:
            raise NotThere(f"The vault was not found: {name}")
        return self._counted(vault)

    def _counted(self, vault: Vault) -> Vault:
        now = self._clock()
        if now - (vault.inventoried or vault.created) < INVENTORY_SECONDS:
            return vault
        self._store.take_inventory(vault.name, now)
        return self._store.vault(vault.name) or vault

    def page(self, marker: str, limit: int) -> tuple[list[Vault], str | None]:
        """Return vaults by name and the name to go on with (None = this was the last page)."""
        found = self._store.vaults(marker, self._inclusive, limit + 1)
        following = None
        if len(found) > limit:
            following = found[limit if self._inclusive else limit - 1].name
        return [self._counted(vault) for vault in found[:limit]], following

    def delete(self, name: str) -> None:
        """Delete a vault.

        Raises:
            NotThere: there is none of that name.
            NotEmpty: it holds archives.
        """
        self.get(name)
        if self._store.holds_archives(name):
            raise NotEmpty("vault is not empty, only empty vault can be delete")
        self._store.remove_vault(name)

    def add_archive(self, vault: str, description: str | None, body: Received) -> Archive:
        """Make an archive of a body that has arrived and been checked."""
        archive = Archive(
            id=new_id(ARCHIVE_ID_LENGTH),
            vault=vault,
            description=description,
            size=body.size,
            created=self._clock(),
            tree_hash=SHA256.root(body.leaves),
        )
        self._store.keep(archive, body.leaves, body.file)
        return archive

    def delete_archive(self, vault: str, archive_id: str) -> None:
        """Delete an archive; deleting it again changes nothing (Amazon Glacier, Delete Archive).

        Running jobs will fail, outputs stay readable (CAS documentation, Delete Archive).

        Raises:
            NotThere: the vault never had it.
        """
        archive = self._store.archive(archive_id)
        if archive is None or archive.vault != vault:
            raise NotThere(f"The archive ID was not found: {archive_id}")
        if archive.deleted is None:
            now = self._clock()
            failure = f"The archive ID was not found: {archive_id}"
            self._store.remove_archive(archive_id, now, now - self._output_seconds, failure)

    def begin(self, vault: str, description: str | None, part_size: int) -> Upload:
        """Begin a multipart upload.

        Raises:
            BadValue: the part size is not 1 MiB times a power of two.
        """
        count, rest = divmod(part_size, LEAF_SIZE)
        if rest or count < 1 or count & (count - 1) or part_size > PART_SIZE_LIMIT:
            raise BadValue(f"The part size must be 1 MiB times a power of two: {part_size}")
        upload = Upload(new_id(UPLOAD_ID_LENGTH), vault, description, part_size, self._clock())
        self._store.add_upload(upload)
        return upload

    def upload(self, vault: str, upload_id: str) -> Upload:
        """Return an upload that can go on.

        Raises:
            NotThere: unknown, complete, aborted or older than a day.
        """
        upload = self._store.upload(vault, upload_id, self._clock() - UPLOAD_SECONDS)
        if upload is None:
            raise NotThere(f"The upload ID was not found: {upload_id}")
        return upload

    def uploads(self, vault: str, marker: str, limit: int) -> tuple[list[Upload], str | None]:
        """Return uploads by id and the marker of the next page (None = this was the last)."""
        since = self._clock() - UPLOAD_SECONDS
        found = self._store.open_uploads(vault, since, marker, self._inclusive, limit + 1)
        following = None
        if len(found) > limit:
            following = found[limit if self._inclusive else limit - 1].id
        return found[:limit], following

    def check_part(self, upload: Upload, first: int, last: int) -> None:
        """Check where a part begins and ends, before its body is read.

        Raises:
            BadValue: it does not begin at a whole part, is too long, or is beyond the last number.
        """
        place, rest = divmod(first, upload.part_size)
        if rest or not first <= last < first + upload.part_size or place >= PARTS_LIMIT:
            raise BadValue(f"Invalid range of a part of {upload.part_size} bytes: {first}-{last}")

    def add_part(self, upload: Upload, first: int, body: Received) -> Part:
        """Put a part that has arrived and been checked at its place; it may overwrite another."""
        root = SHA256.root(body.leaves)
        part = Part(upload.id, first, first + body.size - 1, root, b"".join(body.leaves))
        self._store.set_part(part, body.file)
        return part

    def parts(self, upload: Upload, first: int, limit: int) -> tuple[list[Part], int | None]:
        """Return parts by offset and the offset to go on with (None = this was the last page).

        Args:
            upload: whose parts.
            first: the marker: an offset in the archive, or -1 for the first page.
            limit: the most parts to return.
        """
        begin = first if self._inclusive else first + 1
        found = self._store.parts(upload.id, max(begin, 0), limit + 1)
        following = None
        if len(found) > limit:
            following = found[limit if self._inclusive else limit - 1].first
        return found[:limit], following

    def abort(self, upload: Upload) -> None:
        """Throw an upload and its parts away."""
        self._store.remove_upload(upload.id)

    def complete(self, upload: Upload, size: int, tree_hash: bytes) -> Archive:
        """Make an archive of all parts.

        Raises:
            BadValue: parts are missing, or the size is another one.
            WrongDigest: the tree hash is another one.
        """
        parts = self._store.parts(upload.id)
        end = 0
        for part in parts:
            if part.first != end or (end and end % upload.part_size):
                raise BadValue(f"A part is missing or too short before offset {part.first}")
            end = part.last + 1
        if not parts or end != size:
            raise BadValue(f"The parts have {end} bytes, not {size}")
        leaves = [leaf for part in parts for leaf in split_digests(part.leaves)]
        if SHA256.root(leaves) != tree_hash:
            raise WrongDigest("The tree hash of the parts is not the one in the request")
        file = self._store.uploads / upload.id
        # A last part that was longer before it was overwritten leaves bytes behind.
        with file.open("r+b") as whole:
            whole.truncate(size)
        body = Received(file, size, b"", tuple(leaves))
        with self._store.writing():
            archive = self.add_archive(upload.vault, upload.description, body)
            self._store.remove_upload(upload.id)
        return archive
