"""The calls that start a job, and that tell how much may be started."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from casfs.deadline import Deadline
from casfs.errors import (
    CasfsError,
    ConfigError,
    DeniedError,
    ForbiddenError,
    ForeignAnswerError,
    NotFoundError,
    RequestError,
    TransientError,
)
from casfs.job_requests import (
    InventoryQuery,
    JobRequest,
    NotAccepted,
    Outcome,
    PolicyKind,
    Refusal,
    RetrievalPolicy,
    Tier,
    Unknown,
)
from casfs.service import fields
from casfs.service.dialect import Dialect
from casfs.service.error_mapping import json_body
from casfs.service.outcomes import outcome_of
from casfs.service.sending import UnsentError
from casfs.service.transport import Transport

log = logging.getLogger(__name__)

_CALL = "Initiate Job"
_STRATEGIES = {
    "none": PolicyKind.NONE,
    "freetier": PolicyKind.FREE_TIER,
    "bytesperhour": PolicyKind.BYTES_PER_HOUR,
}
"""Amazon Glacier Developer Guide, "Get Data Retrieval Policy"."""


class JobCalls:
    """Starts jobs of one account.

    Args:
        transport: asks the service.
        dialect: its wire form.
        address: vault -> what names it in paths.
        describe_vault: asks for a vault, and raises NotFoundError if there is none.
    """

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        address: Callable[[str, Deadline], str],
        describe_vault: Callable[[str, Deadline], object],
    ) -> None:
        self._transport = transport
        self._dialect = dialect
        self._address = address
        self._describe_vault = describe_vault

    def start(self, request: JobRequest, deadline: Deadline) -> Outcome:
        """Send a request for a job, once; see `JobStarter.start_job`."""
        self._check(request)
        try:
            path = self._dialect.jobs_path(self._address(request.vault, deadline))
        except ConfigError:
            raise
        except CasfsError as error:
            return _unsent(error)
        edition = self._transport.key_edition
        try:
            outcome = self._transport.post(
                _CALL,
                path,
                self._body(request),
                lambda answer: outcome_of(_CALL, answer, self._dialect),
                deadline,
            )
        except ConfigError:
            raise
        except UnsentError as error:
            cause = error.__cause__
            if isinstance(cause, ConfigError):
                raise cause from None
            return _unsent(cause if isinstance(cause, CasfsError) else CasfsError(str(error)))
        except CasfsError as error:
            return Unknown(str(error))
        log.info("%s in vault %s: %s", _CALL, request.vault, outcome)
        if not isinstance(outcome, NotAccepted):
            return outcome
        if outcome.why is Refusal.DENIED and self._transport.renew_key(edition, deadline):
            return replace(outcome, retry_after=0.0)
        if outcome.why is Refusal.ARCHIVE_GONE:
            return replace(outcome, why=self._what_is_gone(request, outcome, deadline))
        return outcome

    def policy(self, deadline: Deadline) -> RetrievalPolicy | None:
        """Return the data retrieval policy; see `JobStarter.retrieval_policy`."""
        if not self._dialect.job_features.policy:
            return None

        def refuse(error: TransientError) -> None:
            # A stand-in that does not have the call says so in its own way.
            if isinstance(error, ForeignAnswerError) and (error.status or 0) // 100 == 4:
                raise RequestError(str(error)) from error

        try:
            answer = self._transport.get(
                "Get Data Retrieval Policy",
                f"{self._dialect.root}/policies/data-retrieval",
                json_body,
                deadline,
                on_failure=refuse,
            )
        except (NotFoundError, ForbiddenError, RequestError) as error:
            log.info("the data retrieval policy is not known: %s", error)
            return None
        return _policy(answer)

    def _check(self, request: JobRequest) -> None:
        """Refuse what the service does not have.

        Raises:
            RequestError: it does not have it.
        """
        features, query, tier = self._dialect.job_features, request.inventory, request.tier
        limited = query != InventoryQuery(format=query.format)
        csv = query.format not in (None, "JSON")
        for asked, there_is, what in (
            (tier is not None, tier in features.tiers, f"the tier {tier and tier.value}"),
            (request.sns_topic is not None, features.sns_topic, "topics of Amazon SNS"),
            (request.call_back is not None, features.call_back, "call-back URLs"),
            (limited, features.inventory_query, "dates, limits and markers of inventories"),
            (csv, features.inventory_csv, "inventories in another form than JSON"),
        ):
            if asked and not there_is:
                raise RequestError(
                    f"the service {self._dialect.name} does not know {what}; nothing was sent"
                )

    def _body(self, request: JobRequest) -> bytes:
        """Return the body of a request: one flat object, the same keys with all services."""
        facts: dict[str, Any] = {
            "Description": request.description or None,
            "SNSTopic": request.sns_topic,
            "CallBackUrl": request.call_back,
        }
        if request.archive_id is None:
            query = _query(request.inventory)
            facts |= {
                "Type": "inventory-retrieval",
                "Format": request.inventory.format,
                "InventoryRetrievalParameters": query or None,
            }
        else:
            first_last = request.byte_range
            # A service with one speed knows no tiers.
            tier = request.tier if Tier.BULK in self._dialect.job_features.tiers else None
            facts |= {
                "Type": "archive-retrieval",
                "ArchiveId": request.archive_id,
                "RetrievalByteRange": f"{first_last[0]}-{first_last[1]}" if first_last else None,
                "Tier": tier.wire if tier else None,
            }
        return json.dumps(
            {key: value for key, value in facts.items() if value is not None}
        ).encode()

    def _what_is_gone(
        self, request: JobRequest, outcome: NotAccepted, deadline: Deadline
    ) -> Refusal:
        """Return what a service means that says "not found" of a vault and of an archive alike."""
        try:
            self._describe_vault(request.vault, deadline)
        except NotFoundError:
            return Refusal.VAULT_GONE
        except CasfsError:
            if "vault" in outcome.message.partition(outcome.code)[2].lower():
                return Refusal.VAULT_GONE
        return Refusal.ARCHIVE_GONE if request.archive_id else Refusal.NO_INVENTORY


def _unsent(error: CasfsError) -> NotAccepted:
    """Return the outcome of a request that was not sent because of an error."""
    why = Refusal.NOT_SENT
    if isinstance(error, NotFoundError):
        why = Refusal.VAULT_GONE
    elif isinstance(error, DeniedError):
        why = Refusal.DENIED
    return NotAccepted(why, "", str(error), getattr(error, "retry_after", None))


def _query(query: InventoryQuery) -> dict[str, Any]:
    facts = {
        "StartDate": _date(query.since),
        "EndDate": _date(query.until),
        "Limit": None if query.limit is None else str(query.limit),
        "Marker": query.marker,
    }
    return _given(facts)


def _given(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value is not None}


def _date(moment: datetime | None) -> str | None:
    """Return a date as both services take it in requests: UTC, in seconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _policy(answer: dict[str, Any]) -> RetrievalPolicy | None:
    inner = answer.get("Policy")
    rules = inner.get("Rules") if isinstance(inner, dict) else None
    rule = rules[0] if isinstance(rules, list) and rules else None
    if not isinstance(rule, dict):
        return None
    kind = _STRATEGIES.get(str(rule.get("Strategy")).lower())
    if kind is None:
        log.warning("the data retrieval policy has an unknown strategy, and is ignored")
        return None
    return RetrievalPolicy(kind, fields.integer(rule.get("BytesPerHour")))
