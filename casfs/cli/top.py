"""`casfs top`: a live view of mounts and restores."""

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from casfs.cli import exit_status
from casfs.cli.completion import complete_mountpoint
from casfs.cli.durations import DurationType
from casfs.cli.interruption import interruptible
from casfs.cli.keyboard import keys_of
from casfs.cli.mount_view import MountFacts, mount_table
from casfs.cli.mounting import all_mounts, with_rates
from casfs.cli.restore_view import RestoreFacts, known_restores, restore_table, state_dir_option
from casfs.cli.show import say, size_text, span_text
from casfs.cli.tables import Column, fitted_table, show_table
from casfs.reasons import reason
from casfs.sanitize import printable

if TYPE_CHECKING:
    from rich.console import ConsoleDimensions, RenderableType

_QUIT = b"qQ\x03"
"""Keys that end the view: q, and Ctrl-C where it is a key."""


@click.command("top")
@click.argument(
    "chosen", metavar="[MOUNTPOINT|DESTINATION]...", nargs=-1, shell_complete=complete_mountpoint
)
@click.option("--once", is_flag=True, help="Print the view once and exit; also works in a pipe.")
@click.option(
    "--interval", type=DurationType(), default=1.0, help="Time between updates.  [default: 1s]"
)
@state_dir_option
def top_command(
    chosen: tuple[str, ...], once: bool, interval: float, state_dir: str | None
) -> None:
    """Watch mounts and restores: phases, transfers, what expires first, money, errors.

    Shows those that you name, or all. q or Ctrl-C ends it. Does not ask the service.
    """
    source = _Source(frozenset(map(os.path.abspath, chosen)), state_dir)
    if once:
        _print_once(source)
        return
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not is_terminal or os.environ.get("TERM", "dumb") == "dumb":
        raise click.UsageError(
            "casfs top needs a terminal whose cursor can be moved; use --once, or casfs status "
            "--json"
        )
    sys.exit(_watch(source, max(interval, 0.1)))


@dataclass(frozen=True)
class _Sample:
    """What there was at a time.

    Attributes:
        failure: why nothing newer can be seen, "" if it can.
    """

    mounts: list[MountFacts]
    restores: list[RestoreFacts]
    failure: str = ""


@dataclass(frozen=True)
class _Source:
    """Where samples come from.

    Attributes:
        chosen: paths of the mounts and restores that are wanted; empty is all.
        state_dir: where restores say how far they are, if it is not the usual place.
    """

    chosen: frozenset[str]
    state_dir: str | None

    def mounts(self) -> list[MountFacts]:
        """Return the mounts that are wanted, without their rates."""
        found, _ = all_mounts()
        return [one for one in found if not self.chosen or one.mountpoint in self.chosen]

    def restores(self) -> list[RestoreFacts]:
        """Return the restores that are wanted."""
        found = known_restores(self.state_dir)
        return [one for one in found if not self.chosen or one.destination in self.chosen]


class _Sampler:
    """Looks at mounts and restores again and again, in a thread: a mount that hangs holds up none.

    Attributes:
        last: what was seen last; None until there is something.
    """

    def __init__(self, source: _Source, interval: float) -> None:
        self._source = source
        self._interval = interval
        self._ended = threading.Event()
        self.last: _Sample | None = None

    def start(self) -> None:
        """Start looking."""
        threading.Thread(target=self._run, name="top", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        before: dict[str, tuple[float, MountFacts]] = {}
        while not self._ended.is_set():
            try:
                before = self._look(before)
            except OSError as error:
                self.last = replace(self.last or _Sample([], []), failure=reason(error))
            self._ended.wait(self._interval)

    def _look(
        self, before: dict[str, tuple[float, MountFacts]]
    ) -> dict[str, tuple[float, MountFacts]]:
        """Take a sample; return the mounts that were seen, and when, for the next rates."""
        found = self._source.mounts()
        now = time.monotonic()
        shown = []
        for one in found:
            earlier = before.get(one.mountpoint)
            shown.append(one if earlier is None else one.with_rates(*earlier, now))
        self.last = _Sample(shown, self._source.restores())
        return {one.mountpoint: (now, one) for one in found if one.error is None}


def _print_once(source: _Source) -> None:
    sample = _Sample(with_rates(source.mounts()), source.restores())
    now = datetime.now(UTC)
    say(_title(now))
    say(_summary(sample, now))
    for columns, rows in _tables(sample, now):
        say("")
        show_table(columns, rows)
    for line in _errors(sample):
        say(line)


def _watch(source: _Source, interval: float) -> int:
    """Show the view until a key or a signal ends it; return the exit status."""
    sampler = _Sampler(source, interval)
    sampler.start()
    with interruptible() as caught:
        try:
            _show(sampler)
        except KeyboardInterrupt:
            # Ctrl-C is the other way to end it; other signals are not the user's.
            return exit_status.DONE if caught.number == signal.SIGINT else caught.status
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return 128 + signal.SIGHUP
        finally:
            sampler.end()
    return exit_status.DONE


def _show(sampler: _Sampler) -> None:
    """Show the view until a key ends it.

    Raises:
        OSError: the terminal has gone away (EIO).
    """
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with (
        keys_of(sys.stdin.fileno()) as keys,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        shown: tuple[_Sample | None, ConsoleDimensions] | None = None
        while not keys.pressed(_QUIT):
            now = sampler.last, console.size
            if now != shown:
                live.update(_view(now[0], console.width), refresh=True)
                shown = now


def _view(sample: _Sample | None, width: int) -> "RenderableType":
    """Return all that is to be seen."""
    from rich.console import Group
    from rich.text import Text

    now = datetime.now(UTC)
    parts: list[RenderableType] = [Text(f"{_title(now)}   q ends", style="bold")]
    if sample is None:
        return Group(*parts, Text("looking ..."))
    parts.append(Text(printable(_summary(sample, now))))
    for columns, rows in _tables(sample, now):
        parts += [Text(""), fitted_table(columns, rows, width)]
    parts += [Text(printable(line)) for line in _errors(sample)]
    return Group(*parts)


def _title(now: datetime) -> str:
    return f"casfs top   {now.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _tables(
    sample: _Sample, now: datetime
) -> Iterator[tuple[Sequence[Column], Sequence[Sequence[str]]]]:
    """Yield the tables of mounts and restores, as far as there are some."""
    if sample.mounts:
        yield mount_table(sample.mounts, now)
    if sample.restores:
        yield restore_table(sample.restores, now)


def _summary(sample: _Sample, now: datetime) -> str:
    """Return a line about all mounts and restores."""
    received = sum(one.rates.received for one in sample.mounts if one.rates)
    received += sum(one.rate_bytes for one in sample.restores)
    expiries = [one.moment("soonest_expiry") for one in sample.mounts]
    expiries += [one.soonest_expiry for one in sample.restores]
    known = [moment for moment in expiries if moment is not None]
    risks = [one.number("bytes_at_risk") for one in sample.mounts]
    risks += [one.bytes_at_risk for one in sample.restores]
    risk = sum(size for size in risks if size is not None)
    parts = [] if sample.mounts else ["nothing is mounted"]
    parts.append(f"{size_text(round(received))}/s received")
    if known:
        parts.append(f"first expiry in {span_text(min(known) - now)}")
    if any(size is not None for size in risks):
        parts.append(f"at risk: {size_text(risk) if risk else 'nothing'}")
    parts += [f"spent: {amount}" for amount in _spent(sample.restores)]
    return "   ".join(parts)


def _spent(restores: list[RestoreFacts]) -> list[str]:
    """Return what restores have spent, by currency."""
    sums: dict[str, Decimal] = {}
    for one in restores:
        amount, _, currency = one.cost.partition(" ")
        with contextlib.suppress(InvalidOperation):
            sums[currency] = sums.get(currency, Decimal(0)) + Decimal(amount)
    return [f"{amount:,.2f} {currency}" for currency, amount in sorted(sums.items())]


def _errors(sample: _Sample) -> Iterator[str]:
    """Yield the last warnings and errors, a line each."""
    if sample.failure:
        yield f"this view is out of date: {sample.failure}"
    for mount in sample.mounts:
        if text := mount.part("last_warning").text("text"):
            yield f"{mount.mountpoint}: {text}"
    for restore in sample.restores:
        if restore.last_error:
            yield f"{restore.destination}: {restore.last_error}"
