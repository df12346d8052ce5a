"""`casfs report`: what a restore did, for a person or an auditor."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from casfs.cli.options import json_option
from casfs.cli.show import say, show_json, size_text
from casfs.errors import ConfigError
from casfs.reasons import reason

if TYPE_CHECKING:
    from casfs.restore.report_data import ReportData

_NAMED = 5


@click.command("report")
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path))
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a self-contained HTML page with charts.",
)
@json_option
def report_command(destination: Path, html: Path | None, as_json: bool) -> None:
    """Sum up a restore from its manifest: counts, times, failures.

    DEST is the directory that was restored to, or a manifest. Needs no account.
    """
    # Imported here: `--help` must not wait for it.
    from casfs.restore.destination.line_check import damaged_text
    from casfs.restore.destination.manifest_index import ManifestIndex
    from casfs.restore.destination.own_directory import manifest_of
    from casfs.restore.report_data import report_data

    manifest = destination if destination.is_file() else manifest_of(destination)
    if not manifest.is_file():
        raise ConfigError(f"{manifest} is missing; name the directory that was restored to")
    with ManifestIndex(manifest) as index:
        data = report_data(index)
    if data.damaged:
        say(f"casfs: {damaged_text(data.damaged)}", err=True)
    if html is not None:
        _write(html, data)
    if as_json:
        show_json(_facts(data))
    else:
        for line in _lines(data, manifest):
            say(line)


def _write(path: Path, data: "ReportData") -> None:
    from casfs.restore.report_page import report_page

    title = f"Restore of vault {data.header.get('vault')}"
    page = "".join(report_page(data, title, size_text))
    try:
        path.write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"--html {path} cannot be written: {reason(error)}") from error


def _lines(data: "ReportData", manifest: Path) -> Iterator[str]:
    yield f"vault {data.header.get('vault')}, restored to {data.header.get('destination')}"
    for state, total in data.totals.items():
        if total.archives:
            yield f"  {state:<12} {total.archives:>10,}  {size_text(total.bytes):>10}"
    yield f"  {'all':<12} {data.all.archives:>10,}  {size_text(data.all.bytes):>10}"
    yield data.sources(size_text)
    if data.history is not None:
        times = data.history.times()
        begun, ended = data.history.begun.astimezone(), times[-1].astimezone()
        yield f"from {begun:%Y-%m-%d %H:%M:%S %Z} to {ended:%Y-%m-%d %H:%M:%S %Z}"
    for text, found in sorted(data.reasons.items(), key=lambda one: -one[1].archives):
        yield f"not restored: {found.archives:,}: {text or 'other reasons'}"
        for path in found.paths[:_NAMED]:
            yield f"    {path}"
        if found.archives > _NAMED:
            yield f"    and {found.archives - _NAMED:,} more"
    end = data.last_end
    if end is None:
        yield "the last run was interrupted, or is still running"
    else:
        text = f": {end['reason']}" if end.get("reason") else ""
        yield f"the last run ended with exit status {end.get('status')}{text}"
    yield f"manifest: {manifest}"


def _facts(data: "ReportData") -> dict[str, object]:
    end = data.last_end
    return {
        "vault": data.header.get("vault"),
        "destination": data.header.get("destination"),
        "total_files": data.all.archives,
        "total_bytes": data.all.bytes,
        "states": {
            state: {"files": total.archives, "bytes": total.bytes}
            for state, total in data.totals.items()
        },
        "fetched_bytes": data.fetched,
        "cached_bytes": data.cached,
        "failures": [
            {"reason": text, "files": found.archives, "paths": found.paths}
            for text, found in data.reasons.items()
        ],
        "exit_status": end.get("status") if end else None,
    }
