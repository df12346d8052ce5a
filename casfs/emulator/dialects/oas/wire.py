"""Aliyun OAS: its names, signature, codes, limits and jobs, over the shared calls.

Sources: OAS documentation, page by page; where that is silent, the official Python SDK (oassdk
0.2.5) with its command line tool. Codes that neither of them has are Aliyun's object store's.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from casfs.emulator.api import job_requests
from casfs.emulator.api.answers import Answers
from casfs.emulator.api.dialect import Answer, Call, Dialect, Service
from casfs.emulator.api.job_requests import JobType, JobWords
from casfs.emulator.api.request_fields import is_utf8
from casfs.emulator.api.router import Router
from casfs.emulator.api.signature import Flaw
from casfs.emulator.api.wire import ByteRange, PageLimits, Table, Words
from casfs.emulator.dialects.oas import signature
from casfs.emulator.dialects.oas.form import OasForm, etag
from casfs.emulator.dialects.oas.settings import RULES, OasQuestions
from casfs.emulator.engine import errors
from casfs.emulator.engine.errors import BadValueError, EngineError
from casfs.emulator.engine.records import Job, Vault
from casfs.emulator.engine.selection import Selection
from casfs.emulator.engine.store import Store
from casfs.emulator.engine.vaults import Vaults
from casfs.emulator.settings import Settings

_TRANSFER = ["OSSHost", "Bucket", "Object"]

_JOB_WORDS = JobWords(
    types={
        "archive-retrieval": JobType("archive", ["ArchiveId"]),
        "inventory-retrieval": JobType("inventory"),
        "push-to-oss": JobType("push", ["ArchiveId", *_TRANSFER]),
        "pull-from-oss": JobType("pull", _TRANSFER),
    },
    callback=None,
    inventory_limit=None,
    date=float,
)
"""OAS documentation, Initiate Job."""

_JOB_FIELDS = ("Type", "ArchiveId", "Description", "RetrievalByteRange", *_TRANSFER)


class OasWire:
    """The specifics of OAS on the wire.

    Args:
        settings: keys.
        questions: the open questions.
        clock: returns Unix seconds.
    """

    header_prefix = "x-oas-"
    request_id_header = "x-oas-request-id"
    page_limits = PageLimits(vaults=10, jobs=1000, uploads=1000, parts=1000)
    statuses: Mapping[str, int] = {
        "AccessDenied": 403,
        "ArchiveNotExists": 404,
        "InternalError": 500,
        "InvalidAccessKeyId": 403,
        "InvalidArgument": 400,
        "InvalidDigest": 400,
        "InvalidPart": 400,
        "InvalidRange": 413,
        "InvalidRequest": 400,
        "InvalidVaultName": 400,
        "JobJsonFormatError": 400,
        "JobNoOutput": 400,
        "JobNotExists": 404,
        "JobNotReady": 400,
        "MethodNotAllowed": 405,
        "MissingArgument": 400,
        "MissingContentLength": 411,
        "ParameterIllegal": 400,
        "RequestTimeTooSkewed": 403,
        "ServiceUnavailable": 502,
        "SignatureDoesNotMatch": 403,
        "TooManyVaults": 403,
        "UploadIdNotExists": 404,
        "VaultNotEmpty": 409,
        "VaultNotExists": 404,
    }
    codes: Mapping[type[EngineError], str] = {
        errors.NoVaultError: "VaultNotExists",
        errors.NoArchiveError: "ArchiveNotExists",
        errors.NoJobError: "JobNotExists",
        errors.NoUploadError: "UploadIdNotExists",
        errors.ForeignError: "AccessDenied",
        errors.NotEmptyError: "VaultNotEmpty",
        errors.NoMethodError: "MethodNotAllowed",
        errors.MissingValueError: "MissingArgument",
        errors.MissingLengthError: "MissingContentLength",
        errors.MalformedBodyError: "JobJsonFormatError",
        errors.BadValueError: "InvalidArgument",
        errors.BadVaultNameError: "InvalidVaultName",
        errors.BadDigestError: "InvalidDigest",
        errors.BadParamError: "ParameterIllegal",
        errors.BadPartError: "InvalidPart",
        errors.BadRangeError: "InvalidRange",
        errors.TooManyError: "TooManyVaults",
        errors.WrongDigestError: "InvalidDigest",
        errors.NotReadyError: "JobNotReady",
        errors.NoOutputError: "JobNoOutput",
        errors.EngineError: "InvalidRequest",
    }
    flaw_codes: Mapping[Flaw, str] = {
        Flaw.MISSING: "AccessDenied",
        Flaw.UNKNOWN_KEY: "InvalidAccessKeyId",
        Flaw.EXPIRED: "RequestTimeTooSkewed",
        Flaw.WRONG: "SignatureDoesNotMatch",
    }
    _words = Words(
        has_account=False,
        content_hash="content-etag",
        tree_hash="tree-etag",
        digest=etag,
        part_range=re.compile(r"\s*(\d+)-(\d+)\s*"),
        last_marker="",
        filters_jobs=False,
        throttled="ServiceUnavailable",
        failed="InternalError",
        client="client",
        server="server",
        server_codes=("InternalError", "ServiceUnavailable"),
    )
    form = OasForm()

    def __init__(
        self, settings: Settings, questions: OasQuestions, clock: Callable[[], float]
    ) -> None:
        self._keys = settings.keys
        self._leeway = questions.clock_leeway
        self._clock = clock
        checks_markers = questions.missing_marker == "refused"
        self.words = replace(self._words, checks_markers=checks_markers)

    def new_request_id(self) -> str:
        """Return an id that looks like the other ids."""
        return secrets.token_hex(16).upper()

    def signs_body(self, _: Call) -> bool:
        """Return False: a signature of OAS does not cover the body."""
        return False

    def check(self, call: Call, _: bytes) -> None:
        """Check the signature of a call.

        Raises:
            SignatureError: the call has no valid signature.
        """
        signature.verify(call, self._keys, self._clock, self._leeway)

    def check_description(self, text: str) -> None:
        """Check the description of an archive to upload; no source limits its length.

        Raises:
            BadValueError: it is not UTF-8.
        """
        if not is_utf8(text):
            raise BadValueError("The archive description is not UTF-8")

    def wanted_job(self, fields: Mapping[str, object]) -> tuple[Job, ByteRange | None]:
        """Return the requested job (OAS documentation, Initiate Job)."""
        known = {name: fields[name] for name in _JOB_FIELDS if name in fields}
        written = known.get("RetrievalByteRange")
        if known.get("Type") == "inventory-retrieval" and written is not None:
            raise BadValueError("RetrievalByteRange does not apply to inventory-retrieval")
        job, byte_range = job_requests.wanted_job(known, _JOB_WORDS)
        if byte_range is not None and byte_range[1] is None:
            raise BadValueError(f"Invalid RetrievalByteRange: {written}")
        if job.kind in {"push", "pull"}:
            # The engine needs the bucket and the object; transfers have no range.
            bucket, key = (job_requests.text(fields, name) for name in ("Bucket", "Object"))
            return replace(job, bucket=bucket, object=key), None
        return job, byte_range

    def message(self, refused: EngineError) -> str:
        """Return the engine's message, because the service's are not public."""
        return str(refused)

    def job_headers(self, _: Job) -> Mapping[str, str]:
        """Return no additional headers."""
        return {}

    def output_headers(self, _: Selection) -> Mapping[str, str]:
        """Return no additional headers."""
        return {}

    def layout(self, value: object, is_long: bool = False) -> bytes:  # noqa: ARG002 - always short
        """Return JSON without pretty-printing (OAS documentation, API calls)."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogateescape")


def _archive_calls(answers: Answers, vaults: Vaults) -> Table:
    def describe(_: Call, vault: Vault, archive: str) -> Answer:
        return answers.ok(OasWire.form.archive(vaults.archive(vault.name, archive)))

    return {"*/archives/*/meta": {"GET": describe}}


def _make(store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> Dialect:
    if not isinstance(settings.questions, OasQuestions):
        raise TypeError(f"not the questions of OAS: {settings.questions}")
    wire = OasWire(settings, settings.questions, clock)
    return Router(wire, store, settings, clock, _archive_calls)


OAS = Service(RULES, OasQuestions, account="1000000000000000", region="cn-hangzhou", make=_make)
"""Aliyun OAS, for the registry."""
