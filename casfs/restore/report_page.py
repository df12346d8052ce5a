"""A restore as one self-contained page of HTML, with charts as inline SVG."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from casfs.errors import ConfigError
from casfs.restore.destination.line_check import damaged_text
from casfs.restore.report_data import History, ReportData
from casfs.sanitize import printable

if TYPE_CHECKING:
    import pygal

_SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em;
  color: #1b1f24; background: #fff }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em 1em .2em 0; text-align:
  left; vertical-align: top } td.number { text-align: right; font-variant-numeric: tabular-nums }
tr.sum td { border-top: 1px solid #888; font-weight: 600 } h1 { font-size: 1.5em } h2 { font-size:
  1.15em; margin-top: 2em } .bad { color: #a40e26 } .good { color: #116329 } code { font-size: .9em;
  overflow-wrap: anywhere } figure { margin: 1em 0 } svg { width: 100%; height: auto }
"""


def report_page(data: ReportData, title: str, size_text: Callable[[int], str]) -> Iterator[str]:
    """Yield the parts of the page.

    Args:
        data: what the restore did.
        title: of the page.
        size_text: returns bytes as a person reads them.

    Raises:
        ConfigError: the library for charts is not installed.
    """
    yield "<!doctype html>\n<html lang=en><meta charset=utf-8>\n"
    yield '<meta name=viewport content="width=device-width">\n'
    yield f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n"
    yield f"<h1>{_text(title)}</h1>\n"
    yield _facts(data)
    yield _totals(data, size_text)
    if data.history is not None:
        yield f"<h2>Over time</h2>\n<figure>{_progress_chart(data.history)}</figure>\n"
        yield f"<figure>{_rate_chart(data.history)}</figure>\n"
    yield _failures(data)
    yield _runs(data)


def _facts(data: ReportData) -> str:
    end = data.last_end
    result = "not finished: the last run was interrupted, or is still running"
    if end is not None:
        result = "complete" if end.get("status") == 0 else str(end.get("reason"))
    good = "good" if end is not None and end.get("status") == 0 else "bad"
    rows = [
        ("vault", data.header.get("vault")),
        ("service", f"{data.header.get('dialect')}, {data.header.get('endpoint')}"),
        ("directory", data.header.get("destination")),
        ("begun", data.header.get("created")),
    ]
    cells = "".join(f"<tr><th>{name}<td>{_text(fact)}" for name, fact in rows)
    return f"<table>{cells}<tr><th>result<td class={good}>{_text(result)}</table>\n"


def _totals(data: ReportData, size_text: Callable[[int], str]) -> str:
    rows = [(state, total) for state, total in data.totals.items() if total.archives]
    cells = "".join(
        f"<tr><td>{_text(state)}<td class=number>{total.archives:,}<td class=number>"
        f"{size_text(total.bytes)}"
        for state, total in rows
    )
    total = data.all
    damaged = f"<p class=bad>{_text(damaged_text(data.damaged))}.</p>\n" if data.damaged else ""
    return (
        f"<h2>Archives</h2>\n<table><tr><th>state<th>archives<th>size{cells}<tr class=sum><td>all"
        f"<td class=number>{total.archives:,}<td class=number>{size_text(total.bytes)}</table>\n"
        f"<p>{data.sources(size_text)}</p>\n{damaged}"
    )


def _failures(data: ReportData) -> str:
    if not data.reasons:
        return "<h2>Not restored</h2>\n<p>None.</p>\n"
    parts = ["<h2>Not restored</h2>\n<table><tr><th>archives<th>why<th>which"]
    for reason, found in sorted(data.reasons.items(), key=lambda one: -one[1].archives):
        names = "<br>".join(f"<code>{_text(path)}</code>" for path in found.paths)
        more = found.archives - len(found.paths)
        names += f"<br>and {more:,} more; the manifest names all" if more else ""
        parts.append(
            f"<tr><td class=number>{found.archives:,}<td>{_text(reason or 'other reasons')}"
            f"<td>{names}"
        )
    return "".join(parts) + "</table>\n"


def _runs(data: ReportData) -> str:
    rows = []
    for run in data.runs[-100:]:
        what = "begun" if run.get("type") == "run" else f"ended with {run.get('status')}"
        rows.append(f"<tr><td>{_text(run.get('time'))}<td>{_text(run.get('run'))}<td>{_text(what)}")
    return f"<h2>Runs</h2>\n<table><tr><th>time<th>restore<th>{''.join(rows)}</table>\n</html>\n"


def _progress_chart(history: History) -> str:
    chart = _chart("Archives", history)
    for event, counts in history.events.items():
        if counts[-1]:
            chart.add(event, [0, *counts])
    return _svg(chart)


def _rate_chart(history: History) -> str:
    chart = _chart("MB/s fetched", history, show_legend=False, fill=True)
    seconds = history.step.total_seconds()
    chart.add("rate", [0, *(round(size / seconds / 1e6, 3) for size in history.fetched)])
    return _svg(chart)


def _chart(title: str, history: History, **more: object) -> "pygal.Line":
    try:
        # Imported here: only this needs it, and it is an extra.
        import pygal
        from pygal.style import CleanStyle
    except ImportError as error:
        raise ConfigError(
            "charts need pygal; install it with: pip install 'casfs-mount[report]'"
        ) from error
    times = [history.begun, *history.times()]
    labels = [_label(at, times[-1].date() != times[0].date()) for at in times]
    chart = pygal.Line(
        title=title,
        width=900,
        height=340,
        style=CleanStyle(background="transparent", plot_background="transparent"),
        js=[],
        show_dots=False,
        x_label_rotation=0,
        show_minor_x_labels=False,
        x_labels_major_count=8,
        truncate_label=-1,
        disable_xml_declaration=True,
        include_x_axis=True,
        **more,
    )
    chart.x_labels = labels
    return chart


def _svg(chart: "pygal.Line") -> str:
    # pygal adds a script for tooltips, whatever it is told; the page needs none.
    return _SCRIPT.sub("", str(chart.render(is_unicode=True)))


def _label(at: datetime, dated: bool) -> str:
    return f"{at:%m-%d %H:%M}" if dated else f"{at:%H:%M:%S}"


def _text(fact: object) -> str:
    """Return what may come from a service so that it is text and nothing else."""
    return escape(printable(str(fact)))
