"""What `--help` says: examples that work, defaults and variables of options, in 80 columns."""

import shlex
from typing import Any

import click
import pytest

from casfs.cli.lazy import LazyCommand
from casfs.cli.main import casfs as casfs_command
from casfs.settings import NAMES, variable
from tests.support.commands import COMMANDS

ENDS = ("&&", "||", "|", ";", "&", "<", ">")
"""What ends the arguments of a command in a line of the shell."""


def context_of(words):
    """Return the context of a command whose help is asked for."""
    command: Any = casfs_command
    context = click.Context(command, info_name="casfs")
    for word in words:
        command = command.commands[word]
        command = command.load() if isinstance(command, LazyCommand) else command
        context = click.Context(command, context, word)
    return context


def parse(line):
    """Parse a line of the shell that calls `casfs`; raise what the command would."""
    words = shlex.split(line, comments=True)
    stop = min([words.index(one) for one in ENDS if one in words], default=len(words))
    command: Any = casfs_command
    rest = words[1:stop]
    context = click.Context(casfs_command, info_name="casfs")
    while isinstance(command, click.Group):
        name, command, rest = command.resolve_command(context, rest)
        command = command.load() if isinstance(command, LazyCommand) else command
        context = click.Context(command, context, name)
    command.make_context(context.info_name, rest)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_and_explains_each_option(words):
    context = context_of(words)
    shown = context.get_help()
    assert max(map(len, shown.splitlines())) <= 80
    text = " ".join(shown.split())
    if "--cache-size" in text:
        assert "[env var: CASFS_CACHE_SIZE; default: 20GiB]" in text
    if "--profile" in text:
        assert "[env var: CASFS_PROFILE]" in text
    if words == ("emulator",):
        assert text.count("default: 0.0") == 4
    for option in context.command.get_params(context):
        if not isinstance(option, click.Option):
            continue
        names, said = option.get_help_record(context) or ("", "")
        assert option.help, f"{names} is not explained"
        # `--expiring-within` chooses outputs; the setting of that name has no flag.
        if option.name in NAMES - {"expiring_within"} and words != ("emulator",):
            assert variable(option.name) in said
        if not option.is_flag and isinstance(option.default, str | int | float):
            assert "default" in said, f"{names} does not name its default"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_examples_of_a_help_text_can_be_typed(words):
    """A new command gets its examples in casfs/cli/examples.py."""
    _, _, examples = context_of(words).get_help().partition("\n  Examples:\n")
    lines = [line.strip() for line in examples.splitlines()]
    assert any(line.startswith(" ".join(("casfs", *words))) for line in lines)
    for line in lines:
        if line.startswith("casfs "):
            parse(line)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_runs_a_command_for_events_lets_one_say_for_how_long(words):
    names = {name for one in context_of(words).command.params for name in one.opts}
    assert ("--on-event" in names) is ("--event-timeout" in names)
    waits = words in {("mount",), ("request",), ("restore",), ("fetch",), ("wait",)}
    assert ("--on-event" in names) is waits
