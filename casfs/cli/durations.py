"""Durations on the command line: `90`, `90s`, `15m`, `1h30m`, `2d`."""

import click

from casfs.errors import ConfigError
from casfs.settings import parse_duration


class DurationType(click.ParamType[float]):
    """A duration, in seconds where no unit is given."""

    name = "DURATION"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return it in seconds."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(str(value), "it")
        except ConfigError:
            self.fail(f"{value!r} is not a duration such as 90s, 15m or 1h30m", param, ctx)
