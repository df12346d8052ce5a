"""Lines of JSON, one a message, as docs/json.md documents them.

They go to standard output, or to standard error where standard output has the result.

Their schema ships with casfs: `casfs/schemas/lines.schema.json`.
"""

import json
from datetime import UTC, datetime
from typing import Any

from casfs.cli.show import show_line
from casfs.sanitize import json_safe


class JsonLines:
    """Prints messages about one vault; prints nothing if JSON is not wanted.

    Args:
        wanted: whether to print.
        vault: name of the vault.
        run: identifies the restore that the messages belong to, None if there is none.
        err: print to standard error.
    """

    def __init__(
        self, wanted: bool, vault: str, run: str | None = None, *, err: bool = False
    ) -> None:
        self.wanted = wanted
        self.vault = vault
        self.run = run
        self._err = err

    def message(self, message_type: str, **facts: Any) -> dict[str, Any]:
        """Return a message with what all of them have; times become text."""
        head = {
            "message_type": message_type,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "vault": self.vault,
            "run": self.run,
        }
        return head | {name: _plain(fact) for name, fact in facts.items()}

    def show(self, message_type: str, **facts: Any) -> dict[str, Any]:
        """Print a message at once, and return it."""
        made = self.message(message_type, **facts)
        if self.wanted:
            show_line(line(made), self._err)
        return made


def line(message: dict[str, Any]) -> str:
    """Return a message as one line without its end."""
    return json_safe(json.dumps(message, ensure_ascii=False))


def _plain(fact: Any) -> Any:
    return fact.isoformat() if isinstance(fact, datetime) else fact
