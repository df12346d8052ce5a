"""The calls on multipart uploads, which all services have.

Sources: as in `vault_calls`.
"""

import re
from functools import partial

from casfs.emulator.api import request_fields as ask
from casfs.emulator.api.answers import Answers
from casfs.emulator.api.dialect import Answer, Call, ReceiveFile, Reply
from casfs.emulator.api.wire import Table, Wire
from casfs.emulator.engine.errors import BadParamError, BadPartError
from casfs.emulator.engine.incoming import Received
from casfs.emulator.engine.records import Vault
from casfs.emulator.engine.uploads import Uploads
from casfs.treehash import TreeHash


class UploadCalls:
    """Calls on multipart uploads.

    Args:
        wire: the specifics of the service.
        answers: builds answers.
        uploads: the engine.
        tree: how archives are hashed.
    """

    def __init__(self, wire: Wire, answers: Answers, uploads: Uploads, tree: TreeHash) -> None:
        self._tree = tree
        self._wire = wire
        self._form = wire.form
        self._answers = answers
        self._uploads = uploads
        self.table: Table = {
            "*/multipart-uploads": {"POST": self._begin_upload, "GET": self._list_uploads},
            "*/multipart-uploads/*": {
                "PUT": self._upload_part,
                "GET": self._list_parts,
                "POST": self._complete_upload,
                "DELETE": self._abort_upload,
            },
        }

    def _begin_upload(self, call: Call, vault: Vault) -> Answer:
        part_size = ask.own_number(call, self._wire.header_prefix, "part-size")
        upload = self._uploads.begin(vault.name, ask.description(call, self._wire), part_size)
        headers = {
            "Location": self._answers.location(vault.address, "multipart-uploads", upload.id),
            self._answers.name("multipart-upload-id"): upload.id,
        }
        return Reply(201, headers)

    def _list_uploads(self, call: Call, vault: Vault) -> Answer:
        marker, limit = ask.page(call, self._wire.page_limits.uploads)
        ask.check_marker(marker, self._wire, partial(self._uploads.get, vault.name))
        found, following = self._uploads.page(vault.name, marker, limit)
        uploads = [self._form.upload(upload) for upload in found]
        return self._answers.page("UploadsList", uploads, following)

    def _upload_part(self, call: Call, vault: Vault, upload_id: str) -> Answer:
        upload = self._uploads.get(vault.name, upload_id)
        text = ask.header(call, "content-range")
        form = self._wire.words.part_range.fullmatch(text)
        if form is None:
            raise BadPartError(f"Invalid Content-Range: {text}")
        first, last = int(form[1]), int(form[2])
        self._uploads.check_part(upload, first, last)
        check = ask.announced(call, self._wire)
        if int(call.headers["content-length"]) != last - first + 1:
            raise BadPartError(f"Content-Length does not match Content-Range: {text}")

        def finish(body: Received) -> Reply:
            ask.check_body(self._tree, body, check)
            again = self._uploads.get(vault.name, upload_id)
            part = self._uploads.add_part(again, first, body)
            return Reply(204, self._answers.hashes(tree=part.tree_hash))

        return ReceiveFile(self._answers.finishing(finish))

    def _list_parts(self, call: Call, vault: Vault, upload_id: str) -> Answer:
        upload = self._uploads.get(vault.name, upload_id)
        marker, limit = ask.page(call, self._wire.page_limits.parts)
        offset = marker.partition("-")[0] or "-1"
        if not re.fullmatch(r"-1|\d{1,18}", offset):
            raise BadParamError(f"Invalid marker: {marker}")
        found, following = self._uploads.parts(upload, int(offset), limit)
        parts = [self._form.part(part) for part in found]
        marker_out = None if following is None else str(following)
        return self._answers.page("Parts", parts, marker_out, **self._form.upload(upload))

    def _complete_upload(self, call: Call, vault: Vault, upload_id: str) -> Answer:
        upload = self._uploads.get(vault.name, upload_id)
        size = ask.own_number(call, self._wire.header_prefix, "archive-size")
        tree_hash = ask.digest(call, self._answers.name(self._wire.words.tree_hash))
        archive = self._uploads.complete(upload, size, tree_hash)
        headers = {
            "Location": self._answers.location(vault.address, "archives", archive.id),
            self._answers.name("archive-id"): archive.id,
            **self._answers.hashes(tree=archive.tree_hash),
        }
        return Reply(201, headers)

    def _abort_upload(self, _: Call, vault: Vault, upload_id: str) -> Answer:
        self._uploads.abort(self._uploads.get(vault.name, upload_id))
        return Reply(204)
