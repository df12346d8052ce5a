"""Tencent CAS: its names, signature, codes, limits and jobs, over the shared calls.

Source: CAS documentation (product 572), page by page; where that is silent, the official Python SDK
(cassdk 1.0.2, cas_python_sdk v1.0.6).
"""

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from casfs.emulator.api import job_requests
from casfs.emulator.api.answers import CODES, FLAW_CODES, STATUSES
from casfs.emulator.api.dialect import Call, Dialect, Service
from casfs.emulator.api.job_requests import JobType, JobWords
from casfs.emulator.api.json_form import VaultForm
from casfs.emulator.api.request_fields import is_utf8
from casfs.emulator.api.router import Router
from casfs.emulator.api.signature import Flaw
from casfs.emulator.api.wire import ByteRange, PageLimits, Words
from casfs.emulator.dialects.cas import form, signature
from casfs.emulator.dialects.cas.settings import RULES, CasQuestions
from casfs.emulator.engine import errors
from casfs.emulator.engine.errors import BadValueError
from casfs.emulator.engine.records import Job
from casfs.emulator.engine.selection import Selection
from casfs.emulator.engine.store import Store
from casfs.emulator.settings import Settings

_DESCRIPTION_LIMIT = 1024
"""Bytes of the longest archive description (CAS documentation, Initiate Multipart Upload)."""


def _asked_date(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


_JOB_WORDS = JobWords(
    types={
        "archive-retrieval": JobType("archive", ["ArchiveId"]),
        "inventory-retrieval": JobType("inventory"),
        "push-to-cos": JobType("push", ["ArchiveId", "Bucket", "Object"]),
        "pull-from-cos": JobType("pull", ["Bucket", "Object"]),
    },
    callback="CallBackUrl",
    inventory_limit=RULES.inventory_limit,
    date=_asked_date,
)
"""CAS documentation, Initiate Job."""


class CasWire:
    """The specifics of CAS on the wire.

    Args:
        settings: keys, account and region.
        questions: the open questions.
        clock: returns Unix seconds.
    """

    header_prefix = "x-cas-"
    request_id_header = "x-cas-requestid"
    words = Words()
    page_limits = PageLimits(vaults=1000, jobs=1000, uploads=1000, parts=1000)
    statuses: Mapping[str, int] = {
        **STATUSES,
        "InvalidDigest": 400,
        "InvalidSignatureException": 400,
    }
    codes: Mapping[type[errors.EngineError], str] = {
        **CODES,
        errors.NotEmptyError: "BadRequest",
        # Official Python SDK.
        errors.WrongDigestError: "InvalidDigest",
    }

    def __init__(
        self, settings: Settings, questions: CasQuestions, clock: Callable[[], float]
    ) -> None:
        self._keys = settings.keys
        self._leeway = questions.clock_leeway
        self._clock = clock
        self._numbers = count(1)
        self.form: VaultForm = form.CasForm(settings, questions)
        self.flaw_codes: Mapping[Flaw, str] = FLAW_CODES
        if questions.expired_signature == "403":
            self.flaw_codes = {**FLAW_CODES, Flaw.EXPIRED: "ExpiredTokenException"}

    def new_request_id(self) -> str:
        """Return an id like the documented sample: base64 of time, two numbers and a count."""
        text = f"{int(self._clock()):x}_{secrets.token_hex(4)}_{secrets.token_hex(2)}"
        return base64.b64encode(f"{text}_{next(self._numbers)}".encode()).decode()

    def signs_body(self, _: Call) -> bool:
        """Return False: a signature of CAS does not cover the body."""
        return False

    def check(self, call: Call, _: bytes) -> None:
        """Check the signature of a call.

        Raises:
            SignatureError: the call has no valid signature.
        """
        authorization = call.headers.get("authorization")
        signature.verify(authorization, call, self._keys, self._clock, self._leeway)

    def check_description(self, text: str) -> None:
        """Check the description of an archive to upload.

        Raises:
            BadValueError: it is too long or not UTF-8.
        """
        if len(text.encode("utf-8", "surrogateescape")) > _DESCRIPTION_LIMIT:
            raise BadValueError(
                f"The archive description is longer than {_DESCRIPTION_LIMIT} bytes"
            )
        if not is_utf8(text):
            raise BadValueError("The archive description is not UTF-8")

    def wanted_job(self, fields: Mapping[str, object]) -> tuple[Job, ByteRange | None]:
        """Return the requested job (CAS documentation, Initiate Job)."""
        job, byte_range = job_requests.wanted_job(fields, _JOB_WORDS)
        if job.kind in {"push", "pull"}:
            bucket, key = (job_requests.text(fields, name) for name in ("Bucket", "Object"))
            job = replace(job, bucket=bucket, object=key)
        return job, byte_range

    def message(self, refused: errors.EngineError) -> str:
        """Return the service's message for a refusal."""
        if isinstance(refused, errors.NotEmptyError):
            # CAS documentation, Delete Vault.
            return "vault is not empty, only empty vault can be delete"
        return str(refused)

    def job_headers(self, _: Job) -> Mapping[str, str]:
        """Return no additional headers."""
        return {}

    def output_headers(self, _: Selection) -> Mapping[str, str]:
        """Return no additional headers."""
        return {}

    def layout(self, value: object, is_long: bool = False) -> bytes:
        """Return JSON in the layout of the documented samples."""
        return form.layout(value, is_long)


def _make(store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> Dialect:
    if not isinstance(settings.questions, CasQuestions):
        raise TypeError(f"not the questions of CAS: {settings.questions}")
    return Router(CasWire(settings, settings.questions, clock), store, settings, clock)


CAS = Service(RULES, CasQuestions, account="1250000000", region="ap-chengdu", make=_make)
"""Tencent CAS, for the registry."""
