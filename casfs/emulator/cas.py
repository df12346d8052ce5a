"""The dialect of Tencent CAS: its paths and calls.

Source: CAS documentation (product 572), page by page; where that is silent, the official Python SDK
(cassdk 1.0.2, cas_python_sdk v1.0.6), then Amazon Glacier 2012-06-01, whose design it is.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TypeVar

from casfs.emulator import cas_errors, cas_form, errors
from casfs.emulator import cas_requests as ask
from casfs.emulator.cas_jobs import wanted_job
from casfs.emulator.cas_settings import RULES, CasQuestions
from casfs.emulator.dialect import (
    Answer,
    Call,
    Dialect,
    ReadBody,
    ReceiveFile,
    Reply,
    SendOutput,
    Service,
)
from casfs.emulator.errors import BadValueError
from casfs.emulator.incoming import Received
from casfs.emulator.jobs import Jobs
from casfs.emulator.selection import Selection
from casfs.emulator.settings import Settings
from casfs.emulator.signature import SignatureError, Signed, verify
from casfs.emulator.store import Store
from casfs.emulator.uploads import Uploads
from casfs.emulator.vaults import Vaults
from casfs.treehash import to_text

_CONTENT_TYPES = {
    "archive": "application/octet-stream",
    "JSON": "application/json",
    "CSV": "text/csv",
}

_Body = TypeVar("_Body")


class Cas:
    """Tencent CAS over the engine.

    Args:
        store: the state.
        settings: keys, account and region.
        questions: the open questions.
        clock: Unix seconds.
    """

    request_id_header = "x-cas-requestid"

    def __init__(
        self,
        store: Store,
        settings: Settings,
        questions: CasQuestions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._form = cas_form.Form(settings, questions)
        self._vaults = Vaults(store, settings, clock)
        self._uploads = Uploads(store, self._vaults, settings, clock)
        self._jobs = Jobs(store, settings, clock, self._form)
        self._numbers = count(1)
        self._calls: dict[str, dict[str, Callable[..., Answer]]] = {
            "": {"GET": self._list_vaults},
            "*": {
                "PUT": self._create_vault,
                "GET": self._describe_vault,
                "DELETE": self._delete_vault,
            },
            "*/archives": {"POST": self._upload_archive},
            "*/archives/*": {"DELETE": self._delete_archive},
            "*/multipart-uploads": {"POST": self._begin_upload, "GET": self._list_uploads},
            "*/multipart-uploads/*": {
                "PUT": self._upload_part,
                "GET": self._list_parts,
                "POST": self._complete_upload,
                "DELETE": self._abort_upload,
            },
            "*/jobs": {"POST": self._initiate_job, "GET": self._list_jobs},
            "*/jobs/*": {"GET": self._describe_job},
            "*/jobs/*/output": {"GET": self._output},
        }

    def new_request_id(self) -> str:
        """Return an id like that of the documented sample: base64 of time, two numbers, a count."""
        text = f"{int(self._clock()):x}_{secrets.token_hex(4)}_{secrets.token_hex(2)}"
        return base64.b64encode(f"{text}_{next(self._numbers)}".encode()).decode()

    def is_output(self, call: Call) -> bool:
        """Say whether a call reads the output of a job."""
        return call.method == "GET" and ask.routed(call.path)[1] == "*/jobs/*/output"

    def answer(self, call: Call) -> Answer:
        """Check the signature and the account, then answer."""
        return self._guarded(self._answered, call)

    def throttled(self) -> Reply | None:
        """Refuse one request too many: the documented code is a 400, other proxies say 503."""
        how = self._settings.questions.throttling
        if how == "reset":
            return None
        return cas_form.error("ThrottlingException", "Slow down", int(how))

    def failed(self) -> Reply:
        """Answer as a service that has failed."""
        return cas_form.error("ServiceUnavailableException", "The service is not available")

    def body_too_large(self) -> Reply:
        """Refuse a JSON body that no call can need."""
        return cas_form.error("SerializationException", "The body of the request is too large")

    def output_head(self, selection: Selection) -> Reply:
        """Return status and headers of an output (CAS documentation, Get Job Output)."""
        headers = {"Content-Type": _CONTENT_TYPES[selection.kind]}
        if selection.is_part:
            first, last = selection.first + selection.shift, selection.last + selection.shift
            headers["Content-Range"] = f"bytes {first}-{last}/{selection.total}"
        if selection.tree_hash is not None:
            headers["x-cas-sha256-tree-hash"] = to_text(selection.tree_hash)
        return Reply(206 if selection.is_part else 200, headers)

    def _guarded(self, do: Callable[[_Body], Answer], body: _Body) -> Answer:
        try:
            return do(body)
        except ask.ReplyError as answered:
            return answered.reply
        except (SignatureError, errors.EngineError) as refused:
            return cas_errors.reply(refused, self._settings.questions)

    def _finishing(self, do: Callable[[_Body], Reply]) -> Callable[[_Body], Reply]:
        def finish(body: _Body) -> Reply:
            reply = self._guarded(do, body)
            if not isinstance(reply, Reply):
                raise TypeError(f"a call must end with a reply, not {reply}")
            return reply

        return finish

    def _answered(self, call: Call) -> Answer:
        questions = self._settings.questions
        signed = Signed(call.method, call.path, call.params, call.headers)
        authorization = call.headers.get("authorization")
        verify(authorization, signed, self._settings.keys, self._clock, questions.clock_leeway)
        account, shape, names = ask.routed(call.path)
        methods = self._calls.get(shape) if account is not None else None
        if methods is None:
            raise errors.NotThereError(f"There is no such resource: {call.path}")
        if account not in {"-", self._settings.account}:
            text = f"The account ID does not belong to the key: {account}"
            return cas_form.error("AccessDeniedException", text)
        if call.method not in methods:
            return cas_form.error("BadRequest", f"The resource has no method {call.method}")
        if shape not in {"", "*"}:
            self._vaults.get(names[0])
        return methods[call.method](call, *names)

    # vaults

    def _list_vaults(self, call: Call) -> Answer:
        marker, limit = ask.page(call)
        prefix = self._form.name_prefix
        if marker and not marker.startswith(prefix):
            raise BadValueError(f"Invalid marker: {marker}")
        found, following = self._vaults.page(marker.removeprefix(prefix), limit)
        vaults = [self._form.vault(vault) for vault in found]
        marker_out = None if following is None else prefix + following
        return cas_form.ok({"Marker": marker_out, "VaultList": vaults}, compact=len(vaults) > 20)

    def _create_vault(self, _: Call, name: str) -> Answer:
        self._vaults.create(name)
        return Reply(201, {"Location": self._location(name)})

    def _describe_vault(self, _: Call, name: str) -> Answer:
        return cas_form.ok(self._form.vault(self._vaults.get(name)))

    def _delete_vault(self, _: Call, name: str) -> Answer:
        self._vaults.delete(name)
        return Reply(204)

    def _location(self, *names: str) -> str:
        return "/".join(["", self._settings.account, "vaults", *names])

    # archives

    def _upload_archive(self, call: Call, vault: str) -> Answer:
        description = ask.description(call)
        check = ask.announced(call)
        return ReceiveFile(self._finishing(partial(self._store_archive, vault, description, check)))

    def _store_archive(
        self, vault: str, description: str | None, check: tuple[bytes, bytes], body: Received
    ) -> Reply:
        ask.check_body(body, check)
        # The vault may have gone while the body came.
        self._vaults.get(vault)
        archive = self._vaults.add_archive(vault, description, body)
        headers = {
            "Location": self._location(vault, "archives", archive.id),
            "x-cas-archive-id": archive.id,
            "x-cas-content-sha256": to_text(body.digest),
            "x-cas-sha256-tree-hash": to_text(archive.tree_hash),
        }
        return Reply(201, headers)

    def _delete_archive(self, _: Call, vault: str, archive: str) -> Answer:
        self._vaults.delete_archive(vault, archive)
        return Reply(204)

    # multipart uploads

    def _begin_upload(self, call: Call, vault: str) -> Answer:
        part_size = ask.number("x-cas-part-size", ask.header(call, "x-cas-part-size"))
        upload = self._uploads.begin(vault, ask.description(call), part_size)
        headers = {
            "Location": self._location(vault, "multipart-uploads", upload.id),
            "x-cas-multipart-upload-id": upload.id,
        }
        return Reply(201, headers)

    def _list_uploads(self, call: Call, vault: str) -> Answer:
        marker, limit = ask.page(call)
        found, following = self._uploads.page(vault, marker, limit)
        uploads = [self._form.upload(upload) for upload in found]
        return cas_form.ok({"Marker": following, "UploadsList": uploads})

    def _upload_part(self, call: Call, vault: str, upload_id: str) -> Answer:
        upload = self._uploads.get(vault, upload_id)
        text = ask.header(call, "content-range")
        form = re.fullmatch(r"\s*bytes[ =](\d+)-(\d+)/(?:\*|\d+)\s*", text)
        if form is None:
            raise BadValueError(f"Invalid Content-Range: {text}")
        first, last = int(form[1]), int(form[2])
        self._uploads.check_part(upload, first, last)
        check = ask.announced(call)
        if int(call.headers["content-length"]) != last - first + 1:
            raise BadValueError(f"Content-Length does not match Content-Range: {text}")

        def finish(body: Received) -> Reply:
            ask.check_body(body, check)
            again = self._uploads.get(vault, upload_id)
            part = self._uploads.add_part(again, first, body)
            return Reply(204, {"x-cas-sha256-tree-hash": to_text(part.tree_hash)})

        return ReceiveFile(self._finishing(finish))

    def _list_parts(self, call: Call, vault: str, upload_id: str) -> Answer:
        upload = self._uploads.get(vault, upload_id)
        marker, limit = ask.page(call)
        first = ask.number("marker", marker.partition("-")[0]) if marker else -1
        found, following = self._uploads.parts(upload, first, limit)
        parts = [self._form.part(part) for part in found]
        marker_out = None if following is None else str(following)
        fields = self._form.upload(upload) | {"Marker": marker_out, "Parts": parts}
        return cas_form.ok(fields, compact=len(parts) > 20)

    def _complete_upload(self, call: Call, vault: str, upload_id: str) -> Answer:
        upload = self._uploads.get(vault, upload_id)
        size = ask.number("x-cas-archive-size", ask.header(call, "x-cas-archive-size"))
        tree_hash = ask.digest(call, "x-cas-sha256-tree-hash")
        archive = self._uploads.complete(upload, size, tree_hash)
        headers = {
            "Location": self._location(vault, "archives", archive.id),
            "x-cas-archive-id": archive.id,
            "x-cas-sha256-tree-hash": to_text(archive.tree_hash),
        }
        return Reply(201, headers)

    def _abort_upload(self, _: Call, vault: str, upload_id: str) -> Answer:
        self._uploads.abort(self._uploads.get(vault, upload_id))
        return Reply(204)

    # jobs

    def _initiate_job(self, _: Call, vault: str) -> Answer:
        return ReadBody(self._finishing(partial(self._start_job, vault)))

    def _start_job(self, vault: str, body: bytes) -> Reply:
        try:
            fields = json.loads(body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return cas_form.error("SerializationException", "The body is not a JSON object")
        kind = fields.get("Type")
        if kind is None:
            return cas_form.error("MissingParameterValueException", "Type is missing")
        needed = {"archive-retrieval": ["ArchiveId"], "pull-from-cos": ["Bucket", "Object"]}
        needed["push-to-cos"] = ["ArchiveId", "Bucket", "Object"]
        for name in needed.get(str(kind), []):
            if not fields.get(name):
                return cas_form.error("MissingParameterValueException", f"{name} is missing")
        wanted, byte_range = wanted_job(fields)
        job = self._jobs.start(vault, wanted.kind, wanted, byte_range)
        headers = {"Location": self._location(vault, "jobs", job.id), "x-cas-job-id": job.id}
        return Reply(202, headers)

    def _list_jobs(self, call: Call, vault: str) -> Answer:
        marker, limit = ask.page(call)
        done = ask.choice(call, "completed", {"true": True, "false": False})
        choices = {"inprogress": (False, None), "succeeded": (True, False), "failed": (True, True)}
        status_done, failed = ask.choice(call, "statuscode", choices) or (None, None)
        if done is not None and status_done is not None and done != status_done:
            return cas_form.ok({"JobList": [], "Marker": None})
        wanted = done if status_done is None else status_done
        found, following = self._jobs.page(vault, marker, limit, wanted, failed)
        jobs = [self._form.job(view) for view in found]
        return cas_form.ok({"JobList": jobs, "Marker": following}, compact=len(jobs) > 20)

    def _describe_job(self, _: Call, vault: str, job: str) -> Answer:
        return cas_form.ok(self._form.job(self._jobs.view(vault, job)))

    def _output(self, call: Call, vault: str, job: str) -> Answer:
        return SendOutput(self._jobs.select(vault, job, call.headers.get("range")))


def _make(store: Store, settings: Settings) -> Dialect:
    if not isinstance(settings.questions, CasQuestions):
        raise TypeError(f"not the questions of CAS: {settings.questions}")
    return Cas(store, settings, settings.questions)


CAS = Service(RULES, CasQuestions, account="1250000000", region="ap-chengdu", make=_make)
"""Tencent CAS, as the emulator's table of services has it."""
