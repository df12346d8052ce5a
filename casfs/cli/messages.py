"""What a long command reports: text for a person, or lines of JSON for a program."""

from typing import Any

from casfs.cli.json_lines import JsonLines
from casfs.cli.show import say


class Messages:
    """Writes messages; text goes to standard error where JSON lines go to standard output.

    Args:
        as_json: whether to write JSON lines.
        vault: name of the vault that they are about.

    Attributes:
        lines: writes JSON, if it is wanted.
    """

    def __init__(self, as_json: bool, vault: str) -> None:
        self.lines = JsonLines(as_json, vault)

    def text(self, line: str) -> None:
        """Write a line for a person."""
        say(line, err=self.lines.wanted)

    def complain(self, line: str) -> None:
        """Write a line about what went wrong, to standard error alone."""
        say(f"casfs: {line}", err=True)

    def warn(self, line: str, **facts: Any) -> None:
        """Write a warning, to standard error."""
        self.complain(line)
        self.facts("warning", message=line, **facts)

    def facts(self, message_type: str, **facts: Any) -> None:
        """Write a line of JSON, if JSON is wanted."""
        self.lines.show(message_type, **facts)
