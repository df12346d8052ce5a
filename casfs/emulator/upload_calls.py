"""The calls on multipart uploads that CAS and Glacier have.

Sources: as in `vault_calls`.
"""

import re

from casfs.emulator import vault_requests as ask
from casfs.emulator.answers import Answers
from casfs.emulator.dialect import Answer, Call, ReceiveFile, Reply
from casfs.emulator.errors import BadValueError
from casfs.emulator.incoming import Received
from casfs.emulator.uploads import Uploads
from casfs.emulator.wire import Table, Wire
from casfs.treehash import to_text


class UploadCalls:
    """Calls on multipart uploads.

    Args:
        wire: what is the service's own.
        answers: makes answers.
        uploads: the engine.
    """

    def __init__(self, wire: Wire, answers: Answers, uploads: Uploads) -> None:
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

    def _begin_upload(self, call: Call, vault: str) -> Answer:
        part_size = ask.own_number(call, self._wire.header_prefix, "part-size")
        upload = self._uploads.begin(vault, ask.description(call, self._wire), part_size)
        headers = {
            "Location": self._answers.location(vault, "multipart-uploads", upload.id),
            self._answers.name("multipart-upload-id"): upload.id,
        }
        return Reply(201, headers)

    def _list_uploads(self, call: Call, vault: str) -> Answer:
        marker, limit = ask.page(call, self._wire.page_limits.uploads)
        found, following = self._uploads.page(vault, marker, limit)
        uploads = [self._form.upload(upload) for upload in found]
        return self._answers.ok({"Marker": following, "UploadsList": uploads})

    def _upload_part(self, call: Call, vault: str, upload_id: str) -> Answer:
        upload = self._uploads.get(vault, upload_id)
        text = ask.header(call, "content-range")
        form = re.fullmatch(r"\s*bytes[ =](\d+)-(\d+)/(?:\*|\d+)\s*", text)
        if form is None:
            raise BadValueError(f"Invalid Content-Range: {text}")
        first, last = int(form[1]), int(form[2])
        self._uploads.check_part(upload, first, last)
        check = ask.announced(call, self._wire.header_prefix)
        if int(call.headers["content-length"]) != last - first + 1:
            raise BadValueError(f"Content-Length does not match Content-Range: {text}")

        def finish(body: Received) -> Reply:
            ask.check_body(body, check)
            again = self._uploads.get(vault, upload_id)
            part = self._uploads.add_part(again, first, body)
            return Reply(204, {self._answers.name("sha256-tree-hash"): to_text(part.tree_hash)})

        return ReceiveFile(self._answers.finishing(finish))

    def _list_parts(self, call: Call, vault: str, upload_id: str) -> Answer:
        upload = self._uploads.get(vault, upload_id)
        marker, limit = ask.page(call, self._wire.page_limits.parts)
        first = ask.number("marker", marker.partition("-")[0]) if marker else -1
        found, following = self._uploads.parts(upload, first, limit)
        parts = [self._form.part(part) for part in found]
        marker_out = None if following is None else str(following)
        fields = self._form.upload(upload) | {"Marker": marker_out, "Parts": parts}
        return self._answers.ok(fields, len(parts))

    def _complete_upload(self, call: Call, vault: str, upload_id: str) -> Answer:
        upload = self._uploads.get(vault, upload_id)
        size = ask.own_number(call, self._wire.header_prefix, "archive-size")
        tree_hash = ask.digest(call, self._answers.name("sha256-tree-hash"))
        archive = self._uploads.complete(upload, size, tree_hash)
        headers = {
            "Location": self._answers.location(vault, "archives", archive.id),
            self._answers.name("archive-id"): archive.id,
            self._answers.name("sha256-tree-hash"): to_text(archive.tree_hash),
        }
        return Reply(201, headers)

    def _abort_upload(self, _: Call, vault: str, upload_id: str) -> Answer:
        self._uploads.abort(self._uploads.get(vault, upload_id))
        return Reply(204)
