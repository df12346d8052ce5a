"""Routes the calls of services whose vaults are at `/<account>/vaults/<name>` or similar."""

import time
from collections.abc import Callable
from functools import partial

from casfs.emulator.api import request_fields as ask
from casfs.emulator.api.answers import Answers
from casfs.emulator.api.dialect import Answer, Call, ReadBody, Reply
from casfs.emulator.api.job_calls import JOBS, OUTPUT, JobCalls
from casfs.emulator.api.policy_calls import PolicyCalls
from casfs.emulator.api.upload_calls import UploadCalls
from casfs.emulator.api.vault_calls import CREATE_VAULT, VaultCalls
from casfs.emulator.api.wire import Table, Wire
from casfs.emulator.engine.admission import Admission
from casfs.emulator.engine.errors import (
    ForeignError,
    MalformedBodyError,
    NoMethodError,
    NotThereError,
)
from casfs.emulator.engine.jobs import Jobs
from casfs.emulator.engine.policies import Policies
from casfs.emulator.engine.selection import Selection
from casfs.emulator.engine.store import Store
from casfs.emulator.engine.uploads import Uploads
from casfs.emulator.engine.vaults import Vaults
from casfs.emulator.settings import Settings


class Router:
    """A dialect: routes calls to the engine.

    Args:
        wire: the specifics of the service.
        store: the state.
        settings: account and open questions.
        clock: returns Unix seconds.
        more_calls: returns the calls that only this service has.
    """

    def __init__(
        self,
        wire: Wire,
        store: Store,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        more_calls: Callable[[Answers, Vaults], Table] = lambda _answers, _vaults: {},
    ) -> None:
        self.request_id_header = wire.request_id_header
        self._wire = wire
        self._account = settings.account
        self._has_account = wire.words.has_account
        self._answers = Answers(wire, settings)
        self._vaults = Vaults(store, settings, clock)
        uploads = Uploads(store, self._vaults, settings, clock)
        self._clock = clock
        policies = Policies(store, settings.policy)
        admission = Admission(store, settings, policies, clock)
        jobs = Jobs(store, settings, clock, wire.form, admission)
        tree, content_range = settings.rules.tree, settings.questions.content_range
        self._jobs = JobCalls(wire, self._answers, jobs, content_range)
        self._calls = {
            **VaultCalls(wire, self._answers, self._vaults, tree).table,
            **UploadCalls(wire, self._answers, uploads, tree).table,
            **self._jobs.table,
            **(PolicyCalls(self._answers, policies).table if wire.words.shows_policy else {}),
            **more_calls(self._answers, self._vaults),
        }

    def new_request_id(self) -> str:
        """Return a new request id."""
        return self._wire.new_request_id()

    def is_output(self, call: Call) -> bool:
        """Return whether a call reads the output of a job."""
        return call.method == "GET" and ask.routed(call.path, self._has_account)[1] == OUTPUT

    def is_job_request(self, call: Call) -> bool:
        """Return whether a call starts a job."""
        return call.method == "POST" and ask.routed(call.path, self._has_account)[1] == JOBS

    def notifications(self, since: float) -> tuple[list[tuple[str, bytes]], float]:
        """Return the URLs to call and what to send, and the time up to which these are all."""
        return self._jobs.notifications(since, self._clock())

    def answer(self, call: Call) -> Answer:
        """Check the signature and the account, and execute the call."""
        if self._wire.signs_body(call):
            return ReadBody(self._answers.finishing(partial(self._answered_with_body, call)))
        return self._answers.guarded(self._answered, call)

    def output_head(self, selection: Selection) -> Reply:
        """Return the status and headers of an output."""
        return self._jobs.output_head(selection)

    def throttled(self) -> Reply | None:
        """Return the answer to a throttled request; None = reset the connection."""
        return self._answers.throttled()

    def failed(self) -> Reply:
        """Return the answer of a service that has failed."""
        return self._answers.failed()

    def body_too_large(self) -> Reply:
        """Return the answer to a JSON body that is larger than any call needs."""
        return self._answers.refusal(MalformedBodyError("The body of the request is too large"))

    def _answered(self, call: Call) -> Answer:
        self._wire.check(call, b"")
        return self._routed(call)

    def _answered_with_body(self, call: Call, body: bytes) -> Answer:
        self._wire.check(call, body)
        answer = self._routed(call)
        return answer.finish(body) if isinstance(answer, ReadBody) else answer

    def _routed(self, call: Call) -> Answer:
        account, shape, names = ask.routed(call.path, self._has_account)
        methods = self._calls.get(shape)
        if methods is None:
            raise NotThereError(f"There is no such resource: {call.path}")
        if account not in {"-", self._account}:
            raise ForeignError(f"The account ID does not belong to the key: {account}")
        if call.method not in methods:
            raise NoMethodError(f"The resource has no method {call.method}")
        do = methods[call.method]
        if not names or (shape, call.method) == CREATE_VAULT:
            return do(call, *names)
        return do(call, self._vaults.at(names[0]), *names[1:])
