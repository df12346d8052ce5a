"""Reads tables of prices: casfs's own, and the profile's, which overrides it price by price."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from ipaddress import IPv4Network
from typing import Any

from casfs.errors import ConfigError
from casfs.job_requests import Tier
from casfs.restore.prices import Prices
from casfs.settings import did_you_mean

_ANY_REGION = "*"
_TIERS = tuple(tier.value for tier in Tier)
_BY_TIER = ("retrieval_per_gb", "jobs_per_1000")
_KEY = ("dialect", "region")
_SINGLE = ("inventories_per_1000", "gets_per_10000", "traffic_free_gb")


def find_prices(dialect: str, region: str, own: Mapping[str, object]) -> Prices:
    """Return the prices of a service in a region, as far as they are known.

    Args:
        dialect: as in `--dialect`.
        region: as in `--region`; "" if unknown.
        own: the profile's table of prices, which overrides casfs's own price by price.

    Raises:
        ConfigError: the profile's table is malformed, or changes the currency of only some prices.
    """
    text = resources.files("casfs.restore").joinpath("prices.toml").read_text("utf-8")
    known = Prices()
    for table in tomllib.loads(text)["table"]:
        if table["dialect"] == dialect and table["region"] in (_ANY_REGION, region):
            known = _parsed({k: v for k, v in table.items() if k not in _KEY}, Prices())
    if not own:
        return known
    currency = own.get("currency")
    if known.currency is not None and currency not in (None, known.currency):
        # Prices of two currencies in one table would be added up.
        known = replace(known, by_tier={}, single={}, traffic_per_gb=None, note="", date=None)
    if "date" not in own:
        known = replace(known, date=None)
    return _parsed(own, known)


def _parsed(table: Mapping[str, Any], base: Prices) -> Prices:
    found: dict[str, Any] = {}
    by_tier, single = dict(base.by_tier), dict(base.single)
    for name, value in table.items():
        if name in _BY_TIER:
            by_tier[name] = {**base.by_tier.get(name, {}), **_tiers(name, value)}
        elif name in _SINGLE:
            single[name] = _number(name, value)
        elif name in _FIELDS:
            found[name] = _FIELDS[name](name, value)
        else:
            known = {*_FIELDS, *_BY_TIER, *_SINGLE}
            raise ConfigError(f"prices: unknown name {name}; {did_you_mean(name, known)}")
    parsed = replace(base, **found, by_tier=by_tier, single=single)
    if parsed.currency is None:
        raise ConfigError('prices: no currency; write currency = "USD", or another one')
    return parsed


def _tiers(name: str, value: object) -> dict[str, Decimal]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"prices: {name} must be a table by tier, such as {{ standard = 0.01 }}")
    for tier in value:
        if tier not in _TIERS:
            raise ConfigError(f"prices: {name}: unknown tier {tier}; {did_you_mean(tier, _TIERS)}")
    return {tier: _number(f"{name}.{tier}", price) for tier, price in value.items()}


def _steps(name: str, value: object) -> tuple[tuple[Decimal, Decimal | None], ...]:
    if not isinstance(value, list):
        return ((_number(name, value), None),)
    steps: list[tuple[Decimal, Decimal | None]] = []
    for step in value:
        if not isinstance(step, list) or len(step) not in (1, 2):
            raise ConfigError(f"prices: {name} must be a price, or a list of [price, up to gb]")
        limit = _number(name, step[1]) if len(step) > 1 else None
        steps.append((_number(name, step[0]), limit))
    limits = [limit for _, limit in steps]
    ascending = [limit for limit in limits[:-1] if limit is not None]
    if not limits or limits[-1] is not None or len(ascending) < len(limits) - 1:
        raise ConfigError(f"prices: the last step of {name}, and no other, has no limit")
    if ascending != sorted(set(ascending)):
        raise ConfigError(f"prices: the limits of {name} must ascend")
    return tuple(steps)


def _networks(name: str, value: object) -> tuple[IPv4Network, ...]:
    try:
        return tuple(IPv4Network(one) for one in list(value))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise ConfigError(f'prices: {name} must be a list such as ["10.0.0.0/8"]') from None


def _date(name: str, value: object) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(f"prices: {name} must be one such as 2026-11-20") from None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"prices: {name} must be text in quotes")
    return value


def _currency(name: str, value: object) -> str:
    code = _text(name, value).upper()
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise ConfigError(f"prices: {name} must have three letters, such as USD, not {value!r}")
    return code


def _number(name: str, value: object) -> Decimal:
    allowed = isinstance(value, str | int | float) and not isinstance(value, bool)
    try:
        number = Decimal(str(value)) if allowed else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number < 10**12:
        raise ConfigError(f"prices: {name} must be a number of at least 0, not {value!r}")
    return number


_FIELDS: dict[str, Callable[[str, Any], object]] = {
    "date": _date,
    "currency": _currency,
    "note": _text,
    "traffic_per_gb": _steps,
    "inside": _networks,
}
