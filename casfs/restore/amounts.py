"""Amounts of money: exact, in one currency, and never added to those in another."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from casfs.errors import ConfigError

EXACT = Context(prec=80)
"""Enough digits that no price of any number of bytes is rounded."""

_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,60})?)\s*([A-Za-z]{3})?")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What something costs, by part; a part that is None is unknown.

    Attributes:
        currency: of all parts, None if no price is known.
        retrieval: by the gigabyte, as the tier costs.
        traffic: out of the service's region.
        requests: that start jobs, and that read their outputs.
    """

    currency: str | None
    retrieval: Decimal | None
    traffic: Decimal | None
    requests: Decimal | None

    @property
    def total(self) -> Decimal | None:
        """Return the sum of the parts, None if one is unknown."""
        with localcontext(EXACT):
            if self.retrieval is None or self.traffic is None or self.requests is None:
                return None
            return self.retrieval + self.traffic + self.requests

    @property
    def is_free(self) -> bool:
        """Return whether it costs nothing for sure."""
        return self.total == 0

    def __add__(self, other: "Estimate") -> "Estimate":
        """Add estimates part by part; what is unknown stays unknown."""
        return self._with(other, 1)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Subtract estimates part by part; what is unknown stays unknown."""
        return self._with(other, -1)

    def _with(self, other: "Estimate", sign: int) -> "Estimate":
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added")
        return Estimate(
            self.currency,
            _sum(self.retrieval, other.retrieval, sign),
            _sum(self.traffic, other.traffic, sign),
            _sum(self.requests, other.requests, sign),
        )


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a restore may cost.

    Attributes:
        currency: None = that of the prices.
    """

    amount: Decimal
    currency: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, [f"{self.amount:f}", self.currency]))

    @classmethod
    def parse(cls, text: str) -> "Cap":
        """Return the cap that a text such as `100`, `100CNY` or `12.50 USD` means.

        Raises:
            ConfigError: the text is not an amount.
        """
        match = _AMOUNT.fullmatch(text.strip())
        if not match:
            raise ConfigError(
                f"--max-cost must be an amount such as 100, 100CNY or 12.50USD, not {text!r}"
            )
        return cls(Decimal(match[1]), match[2].upper() if match[2] else None)


def amount_text(amount: Decimal | None, currency: str | None) -> str:
    """Return an amount as a person reads it: `3,211.26 CNY`, or `unknown`."""
    if amount is None or currency is None:
        return "unknown"
    if 0 < amount < _CENT:
        return f"under 0.01 {currency}"
    with localcontext(EXACT):
        return f"{amount.quantize(_CENT, ROUND_HALF_UP):,} {currency}"


def _sum(one: Decimal | None, other: Decimal | None, sign: int) -> Decimal | None:
    if one is None or other is None:
        return None
    with localcontext(EXACT):
        return one + sign * other
