"""The calls on vaults and archives that CAS and Glacier have.

Sources: CAS documentation (product 572), page by page; where that is silent, the official Python
SDK (cassdk 1.0.2, cas_python_sdk v1.0.6), then Amazon Glacier 2012-06-01, whose design it is.
"""

from functools import partial

from casfs.emulator import vault_requests as ask
from casfs.emulator.answers import Answers
from casfs.emulator.dialect import Answer, Call, ReceiveFile, Reply
from casfs.emulator.errors import BadValueError
from casfs.emulator.incoming import Received
from casfs.emulator.vaults import Vaults
from casfs.emulator.wire import Table, Wire
from casfs.treehash import to_text


class VaultCalls:
    """Calls on vaults and archives.

    Args:
        wire: what is the service's own.
        answers: makes answers.
        vaults: the engine.
    """

    def __init__(self, wire: Wire, answers: Answers, vaults: Vaults) -> None:
        self._wire = wire
        self._form = wire.form
        self._answers = answers
        self._vaults = vaults
        self.table: Table = {
            "": {"GET": self._list_vaults},
            "*": {
                "PUT": self._create_vault,
                "GET": self._describe_vault,
                "DELETE": self._delete_vault,
            },
            "*/archives": {"POST": self._upload_archive},
            "*/archives/*": {"DELETE": self._delete_archive},
        }

    def _list_vaults(self, call: Call) -> Answer:
        marker, limit = ask.page(call, self._wire.page_limits.vaults)
        prefix = self._form.name_prefix
        if marker and not marker.startswith(prefix):
            raise BadValueError(f"Invalid marker: {marker}")
        found, following = self._vaults.page(marker.removeprefix(prefix), limit)
        vaults = [self._form.vault(vault) for vault in found]
        marker_out = None if following is None else prefix + following
        return self._answers.ok({"Marker": marker_out, "VaultList": vaults}, len(vaults))

    def _create_vault(self, _: Call, name: str) -> Answer:
        self._vaults.create(name)
        return Reply(201, {"Location": self._answers.location(name)})

    def _describe_vault(self, _: Call, name: str) -> Answer:
        return self._answers.ok(self._form.vault(self._vaults.get(name)))

    def _delete_vault(self, _: Call, name: str) -> Answer:
        self._vaults.delete(name)
        return Reply(204)

    def _upload_archive(self, call: Call, vault: str) -> Answer:
        description = ask.description(call, self._wire)
        check = ask.announced(call, self._wire.header_prefix)
        return ReceiveFile(
            self._answers.finishing(partial(self._store_archive, vault, description, check))
        )

    def _store_archive(
        self, vault: str, description: str | None, check: tuple[bytes, bytes], body: Received
    ) -> Reply:
        ask.check_body(body, check)
        # The vault may have gone while the body came.
        self._vaults.get(vault)
        archive = self._vaults.add_archive(vault, description, body)
        headers = {
            "Location": self._answers.location(vault, "archives", archive.id),
            self._answers.name("archive-id"): archive.id,
            self._answers.name("content-sha256"): to_text(body.digest),
            self._answers.name("sha256-tree-hash"): to_text(archive.tree_hash),
        }
        return Reply(201, headers)

    def _delete_archive(self, _: Call, vault: str, archive: str) -> Answer:
        self._vaults.delete_archive(vault, archive)
        return Reply(204)
