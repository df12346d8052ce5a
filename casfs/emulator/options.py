"""Parses the options of `casfs emulator`."""

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import click

from casfs.emulator.dialects.registry import DIALECTS
from casfs.emulator.http import faults
from casfs.emulator.settings import Fault, OpenQuestions, Policy, Strategy

_TIERS = ("expedited", "standard", "bulk", "inventory")

_STRATEGIES: Mapping[str, Strategy] = {
    "none": "None",
    "free-tier": "FreeTier",
    "bytes-per-hour": "BytesPerHour",
}


class FaultType(click.ParamType[Fault]):
    """A fault and how often it is injected."""

    name = "NAME[@output|@post]=PROBABILITY[,TIMES]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fault:
        """Parse it."""
        if isinstance(value, Fault):
            return value
        what, _, often = str(value).partition("=")
        probability, limited, times = often.partition(",")
        name, at, scope = what.partition("@")
        if name not in faults.NAMES or (at and scope not in {"output", "post"}):
            self.fail(f"{what} is not one of {', '.join(faults.NAMES)}", param, ctx)
        try:
            share = float(probability)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{probability!r} is not a probability from 0 to 1", param, ctx)
        if limited and not (times.isascii() and times.isdigit()):
            self.fail(f"{times!r} is not a number of times", param, ctx)
        often_at_most = int(times) if limited else None
        return Fault(name, share, scope == "output", often_at_most, scope == "post")


class SeedType(click.ParamType[tuple[str, Path]]):
    """A vault and the directory whose files it gets."""

    name = "VAULT=DIR"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Parse it."""
        vault, _, directory = str(value).partition("=")
        if not (vault and directory and Path(directory).is_dir()):
            self.fail(f"{value} is not VAULT=DIR, or DIR is not a directory", param, ctx)
        return vault, Path(directory)


class TierSecondsType(click.ParamType[Mapping[str, float]]):
    """How long the jobs of each tier run."""

    name = "TIER=SECONDS,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Mapping[str, float]:
        """Parse it."""
        if isinstance(value, Mapping):
            return value
        found: dict[str, float] = {}
        for pair in str(value).split(","):
            tier, _, text = pair.partition("=")
            try:
                seconds = float(text)
            except ValueError:
                seconds = -1.0
            if tier.strip().lower() not in _TIERS or not 0 <= seconds < math.inf:
                self.fail(f"{pair!r} is not one of {', '.join(_TIERS)}, = and seconds", param, ctx)
            found[tier.strip().lower()] = seconds
        return found


class PolicyType(click.ParamType[Policy]):
    """A data retrieval policy."""

    name = "none|free-tier=BYTES|bytes-per-hour=BYTES"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Policy:
        """Parse it."""
        if isinstance(value, Policy):
            return value
        name, _, text = str(value).partition("=")
        strategy = _STRATEGIES.get(name)
        is_number = text.isascii() and text.isdigit() and int(text) > 0
        if strategy is None or is_number == (strategy == "None"):
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return Policy(strategy, int(text) if is_number else None)


def open_questions() -> list[click.Option]:
    """Return an option for each open question of any dialect; None if it is not given."""
    found: dict[str, tuple[list[str], str, dict[str, str]]] = {}
    for dialect, service in DIALECTS.items():
        hints = get_type_hints(service.questions)
        for one in fields(service.questions):
            choices, texts, defaults = found.setdefault(one.name, ([], "", {}))
            choices += [answer for answer in get_args(hints[one.name]) if answer not in choices]
            found[one.name] = choices, texts or one.metadata.get("help", ""), defaults
            defaults[dialect] = str(one.default)
    return [
        click.Option(
            ["--" + name.replace("_", "-")],
            type=click.Choice(choices),
            show_default=described(defaults),
            help=text,
        )
        for name, (choices, text, defaults) in found.items()
        if choices
    ]


def described(defaults: Mapping[str, str]) -> str:
    """Return the default answers of the dialects, for the help."""
    if len(defaults) == len(DIALECTS) and len(set(defaults.values())) == 1:
        return next(iter(defaults.values()))
    return ", ".join(f"{dialect}: {answer}" for dialect, answer in defaults.items())


def answered(dialect: str, answers: Mapping[str, str], clock_leeway: float) -> OpenQuestions:
    """Return the questions of a dialect, with the answers from the command line.

    Raises:
        click.UsageError: the dialect does not have the question, or does not take the answer.
    """
    questions = DIALECTS[dialect].questions
    hints = get_type_hints(questions)
    for name, answer in answers.items():
        switch = "--" + name.replace("_", "-")
        if name not in hints:
            raise click.UsageError(f"{switch} does not apply to --dialect {dialect}")
        if answer not in get_args(hints[name]):
            choices = ", ".join(get_args(hints[name]))
            raise click.UsageError(f"with --dialect {dialect}, {switch} must be one of: {choices}")
    return questions(clock_leeway=clock_leeway, **answers)  # type: ignore[arg-type]
