"""Commands whose modules are imported when they are called."""

import gc
import importlib
from typing import Any

import click

from casfs.cli.examples import add_examples


class LazyCommand(click.Command):
    """Represents a command in the help of its group, which need not import it.

    Importing all commands takes longer than most of them run.

    Args:
        name: what it is called by.
        path: where the command itself is, as `module:attribute`.
        summary: the first sentence of its help.
    """

    def __init__(self, name: str, path: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._path = path

    def load(self) -> click.Command:
        """Return the command itself."""
        module, _, attribute = self._path.partition(":")
        # Importing makes tens of thousands of objects and no garbage: looking for some of it again
        # and again would take a tenth of the time.
        gc.disable()
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        finally:
            gc.enable()
        gc.freeze()
        return add_examples(command, self.name or "")

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of the command itself, which has the options and runs next."""
        return self.load().make_context(info_name, args, parent, **extra)
