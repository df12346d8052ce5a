"""Durations on the command line: `90`, `90s`, `15m`, `1h30m`, `2d`."""

import re

import click

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_FORM = re.compile(r"(?:([0-9.]+)d)?(?:([0-9.]+)h)?(?:([0-9.]+)m)?(?:([0-9.]+)s?)?")


class DurationType(click.ParamType[float]):
    """A duration, in seconds where no unit is given."""

    name = "DURATION"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return it in seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip().lower()
        found = _FORM.fullmatch(text)
        try:
            if not text or found is None:
                raise ValueError(text)
            parts = zip(found.groups(), _UNITS.values(), strict=True)
            return sum(float(number) * unit for number, unit in parts if number)
        except ValueError:
            self.fail(f"{value!r} is not a duration such as 90s, 15m or 1h30m", param, ctx)
