"""The commands of casfs."""

import click

from casfs.cli.lazy import LazyCommand
from casfs.cli.main import casfs as casfs_command


def commands(group, *path):
    """The words of every command of ours, groups too."""
    yield path
    for name, command in group.commands.items():
        command = command.load() if isinstance(command, LazyCommand) else command
        yield from (
            commands(command, *path, name) if isinstance(command, click.Group) else [(*path, name)]
        )


COMMANDS = list(commands(casfs_command))
