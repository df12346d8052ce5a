"""Runs the user's command for outputs that a mount found to be at risk."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from casfs.cli.event_command import EventCommand
from casfs.cli.fetch_text import late_text
from casfs.cli.json_lines import JsonLines, line

if TYPE_CHECKING:
    from casfs.tree.expiry_watch import VaultExpiry

log = logging.getLogger(__name__)


def risk_command(
    command: str, deadline: float | None = None
) -> "Callable[[VaultExpiry, float], None]":
    """Return what runs a command for a vault of which something is at risk, and for the rate.

    Args:
        command: for `sh -c`.
        deadline: seconds that it may take, None for the usual ones.
    """
    event = EventCommand(command, log.warning, deadline)

    def run(found: "VaultExpiry", rate: float) -> None:
        if found.outlook is None:
            return
        needed = found.outlook.needed_rate
        message = JsonLines(False, found.vault).message(
            "warning",
            message=late_text(found.outlook, rate, list(found.late)),
            needed_rate=None if needed == float("inf") else needed,
            rate_bytes=rate,
            bytes_at_risk=found.outlook.bytes_at_risk,
            at_risk=[one.archive or one.job for one in found.late],
        )
        event.run(line(message))

    return run
