"""The calls on the data retrieval policy.

Source: Amazon Glacier Developer Guide, "Get Data Retrieval Policy" and "Set Data Retrieval Policy".
"""

import json
from typing import get_args

from casfs.emulator.api.answers import Answers
from casfs.emulator.api.dialect import Answer, Call, ReadBody, Reply
from casfs.emulator.api.wire import Table
from casfs.emulator.engine.errors import BadValueError, MalformedBodyError
from casfs.emulator.engine.policies import Policies
from casfs.emulator.settings import Policy, Strategy


class PolicyCalls:
    """Reads and sets the policy.

    Args:
        answers: builds answers.
        policies: keeps the policy.
    """

    def __init__(self, answers: Answers, policies: Policies) -> None:
        self._answers = answers
        self._policies = policies
        self.table: Table = {"/policies/data-retrieval": {"GET": self._get, "PUT": self._put}}

    def _get(self, _: Call) -> Answer:
        policy = self._policies.get()
        rule: dict[str, object] = {"Strategy": policy.strategy}
        if policy.strategy == "BytesPerHour":
            rule["BytesPerHour"] = policy.amount
        return self._answers.ok({"Policy": {"Rules": [rule]}})

    def _put(self, _: Call) -> Answer:
        return ReadBody(self._answers.finishing(self._set))

    def _set(self, body: bytes) -> Reply:
        try:
            fields = json.loads(body)
            (rule,) = fields["Policy"]["Rules"]
            strategy, amount = rule["Strategy"], rule.get("BytesPerHour")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise MalformedBodyError("The body is not a data retrieval policy") from None
        if strategy not in get_args(Strategy):
            raise BadValueError(f"Invalid Strategy: {strategy}")
        is_amount = isinstance(amount, int) and amount > 0
        if (strategy == "BytesPerHour") != is_amount:
            raise BadValueError(f"Invalid BytesPerHour: {amount}")
        self._policies.put(Policy(strategy, amount))
        return Reply(204)
