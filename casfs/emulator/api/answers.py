"""Builds answers, and maps refusals of the engine and the signature check to codes and statuses.

Sources: CAS documentation, Error codes; Amazon Glacier API 2012-06-01, Error responses. The first
does not say which mistake gets which code: that follows Glacier, and open questions are settings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from casfs.emulator.api.dialect import Answer, Reply
from casfs.emulator.api.signature import Flaw, SignatureError
from casfs.emulator.api.wire import Wire
from casfs.emulator.engine import errors
from casfs.emulator.settings import Settings, VaultFormQuestions

CODES: Mapping[type[errors.EngineError], str] = {
    errors.NotThereError: "ResourceNotFoundException",
    errors.ForeignError: "AccessDeniedException",
    errors.MissingValueError: "MissingParameterValueException",
    errors.MalformedBodyError: "SerializationException",
    errors.NoMethodError: "BadRequest",
    errors.TooManyError: "LimitExceededException",
    errors.PolicyError: "PolicyEnforcedException",
    errors.CapacityError: "InsufficientCapacityException",
    errors.EngineError: "InvalidParameterValueException",
}
"""Codes by reason, where both services agree."""

FLAW_CODES: Mapping[Flaw, str] = {
    Flaw.MISSING: "MissingAuthenticationTokenException",
    Flaw.UNKNOWN_KEY: "UnrecognizedClientException",
    Flaw.EXPIRED: "InvalidSignatureException",
    Flaw.WRONG: "InvalidSignatureException",
}
"""Codes by flaw of the signature, where both services agree."""

STATUSES: Mapping[str, int] = {
    "AccessDeniedException": 403,
    "BadRequest": 400,
    "ExpiredTokenException": 403,
    "InsufficientCapacityException": 503,
    "InvalidParameterValueException": 400,
    "LimitExceededException": 400,
    "MissingAuthenticationTokenException": 400,
    "MissingParameterValueException": 400,
    "PolicyEnforcedException": 400,
    "ResourceNotFoundException": 404,
    "SerializationException": 400,
    "ThrottlingException": 400,
    "UnrecognizedClientException": 400,
    "ServiceUnavailableException": 500,
}
"""Statuses by code, where both services agree."""


_LONG = 20
"""Lists of more items than this are long."""

_Body = TypeVar("_Body")


class Answers:
    """Builds answers in the form of one service.

    Args:
        wire: names, codes, statuses and layout of the service.
        settings: the account, and the open questions about ranges, running jobs and throttling.
    """

    def __init__(self, wire: Wire, settings: Settings) -> None:
        self._wire = wire
        self._account = settings.account
        self._questions = questions = settings.questions
        self._capacity_status: int | None = None
        if isinstance(questions, VaultFormQuestions):
            self._capacity_status = int(questions.capacity_status)

    def name(self, header: str) -> str:
        """Return the full name of a header that is specific to the service."""
        return self._wire.header_prefix + header

    def location(self, *names: str) -> str:
        """Return the path of a resource that was created."""
        account = [self._account] if self._wire.words.has_account else []
        return "/".join(["", *account, "vaults", *names])

    def hashes(self, *, content: bytes | None = None, tree: bytes) -> dict[str, str]:
        """Return the headers with the plain hash and the tree hash."""
        words = self._wire.words
        named = {words.content_hash: content, words.tree_hash: tree}
        return {self.name(name): words.digest(one) for name, one in named.items() if one}

    def page(
        self, name: str, items: Sequence[object], following: str | None, **more: object
    ) -> Reply:
        """Return a page of a list.

        Args:
            name: the field for the items.
            items: those of this page.
            following: the marker of the next page; None = this is the last.
            more: other fields.
        """
        marker = self._wire.words.last_marker if following is None else following
        return self.ok({**more, "Marker": marker, name: items}, len(items))

    def ok(self, value: object, items: int = 0) -> Reply:
        """Return an answer with a JSON body that lists `items` items."""
        headers = {"Content-Type": "application/json"}
        return Reply(200, headers, self._wire.layout(value, items > _LONG))

    def guarded(self, do: Callable[[_Body], Answer], body: _Body) -> Answer:
        """Execute a call; a refusal becomes its answer."""
        try:
            return do(body)
        except (SignatureError, errors.EngineError) as refused:
            return self.refusal(refused)

    def finishing(self, do: Callable[[_Body], Answer]) -> Callable[[_Body], Reply]:
        """Return a function that completes a call, given its body; a refusal becomes its answer."""

        def finish(body: _Body) -> Reply:
            reply = self.guarded(do, body)
            if not isinstance(reply, Reply):
                raise TypeError(f"a call must end with a reply, not {reply}")
            return reply

        return finish

    def error(self, code: str, message: str, status: int | None = None) -> Reply:
        """Return an error answer (all services: Error responses)."""
        words = self._wire.words
        kind = words.server if code in words.server_codes else words.client
        body = self._wire.layout({"code": code, "message": message, "type": kind})
        headers = {"Content-Type": "application/json"}
        return Reply(status or self._wire.statuses[code], headers, body)

    def refusal(self, refused: SignatureError | errors.EngineError) -> Reply:
        """Return the answer for a refusal."""
        if isinstance(refused, SignatureError):
            return self.error(self._wire.flaw_codes[refused.flaw], str(refused))
        code, status = self._code(refused), None
        if isinstance(refused, errors.PastEndError):
            status = int(self._questions.range_past_end)
        if isinstance(refused, errors.CapacityError):
            status = self._capacity_status
        if isinstance(refused, errors.NotReadyError) and self._questions.unfinished_output == "404":
            code, status = self._code(errors.NoJobError("")), 404
        return self.error(code, self._wire.message(refused), status)

    def _code(self, refused: errors.EngineError) -> str:
        codes = self._wire.codes
        return next(codes[kind] for kind in type(refused).__mro__ if kind in codes)

    def throttled(self) -> Reply | None:
        """Return the answer to a throttled request: documented as 400, while proxies send 503.

        None means that the connection is to be reset.
        """
        how = self._questions.throttling
        if how == "reset":
            return None
        return self.error(self._wire.words.throttled, "Slow down", int(how))

    def failed(self) -> Reply:
        """Return the answer of a service that has failed."""
        return self.error(self._wire.words.failed, "The service is not available")
