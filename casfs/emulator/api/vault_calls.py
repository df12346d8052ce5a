"""The calls on vaults and archives, which all services have.

Sources: CAS documentation (product 572), page by page; where that is silent, the official Python
SDK (cassdk 1.0.2, cas_python_sdk v1.0.6), then Amazon Glacier 2012-06-01, which it copies. The
`Wire` of each service has its differences.
"""

from functools import partial

from casfs.emulator.api import request_fields as ask
from casfs.emulator.api.answers import Answers
from casfs.emulator.api.dialect import Answer, Call, ReceiveFile, Reply
from casfs.emulator.api.wire import Table, Wire
from casfs.emulator.engine.errors import BadParamError
from casfs.emulator.engine.incoming import Received
from casfs.emulator.engine.records import Vault
from casfs.emulator.engine.vaults import Vaults
from casfs.treehash import TreeHash

CREATE_VAULT = ("*", "PUT")
"""The one call whose vault need not exist; it is given the name."""


class VaultCalls:
    """Calls on vaults and archives.

    Args:
        wire: the specifics of the service.
        answers: builds answers.
        vaults: the engine.
        tree: how archives are hashed.
    """

    def __init__(self, wire: Wire, answers: Answers, vaults: Vaults, tree: TreeHash) -> None:
        self._tree = tree
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
            raise BadParamError(f"Invalid marker: {marker}")
        ask.check_marker(marker, self._wire, self._vaults.at)
        found, following = self._vaults.page(marker.removeprefix(prefix), limit)
        vaults = [self._form.vault(vault) for vault in found]
        return self._answers.page("VaultList", vaults, following and prefix + following)

    def _create_vault(self, _: Call, name: str) -> Answer:
        vault = self._vaults.create(name)
        headers = {"Location": self._answers.location(vault.address)}
        if vault.id is not None:
            headers[self._answers.name("vault-id")] = vault.id
        return Reply(201, headers)

    def _describe_vault(self, _: Call, vault: Vault) -> Answer:
        return self._answers.ok(self._form.vault(vault))

    def _delete_vault(self, _: Call, vault: Vault) -> Answer:
        self._vaults.delete(vault.name)
        return Reply(204)

    def _upload_archive(self, call: Call, vault: Vault) -> Answer:
        description = ask.description(call, self._wire)
        check = ask.announced(call, self._wire)
        return ReceiveFile(
            self._answers.finishing(partial(self._store_archive, vault, description, check))
        )

    def _store_archive(
        self, vault: Vault, description: str | None, check: tuple[bytes, bytes], body: Received
    ) -> Reply:
        ask.check_body(self._tree, body, check)
        # The vault may have been deleted while the body was received.
        self._vaults.get(vault.name)
        archive = self._vaults.add_archive(vault.name, description, body)
        headers = {
            "Location": self._answers.location(vault.address, "archives", archive.id),
            self._answers.name("archive-id"): archive.id,
            **self._answers.hashes(content=body.digest, tree=archive.tree_hash),
        }
        return Reply(201, headers)

    def _delete_archive(self, _: Call, vault: Vault, archive: str) -> Answer:
        self._vaults.delete_archive(vault.name, archive)
        return Reply(204)
