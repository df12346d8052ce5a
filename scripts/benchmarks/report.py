"""What a run found: a Markdown table, JSON, and a chart for each scenario."""

import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.measure import Comparison, Goal, Result, Series, Unit
from benchmarks.scenarios import SCENARIOS

_OURS = "#1b6ca8"
_THEIRS = "#b9c4cc"
_SPREAD = "#333333"
_WIDTH = 7.5
_ROW = 0.38


def run_facts() -> dict[str, str]:
    """Return when and on what a run ran, and what was measured."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(),
        "processors": str(os.cpu_count()),
        "memory": f"{memory / (1 << 30):.0f} GiB",
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }


def _commit() -> str:
    """Return the commit of what is measured; figures of earlier runs beside it do not change it."""
    described = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = _git("status", "--porcelain", "--", "casfs", "scripts/benchmarks")
    return f"{described} and changes" if changed else described


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def markdown(results: list[Result]) -> str:
    """Return the tables of ratios and of goals."""
    lines = [
        "# Benchmark",
        "",
        "Medians of turns (A B A B ...), least and most in brackets. The ratio says how many times",
        "as good as this row casfs is: above 1, casfs is better. Compare ratios, not figures of",
        "different runs.",
        "",
    ]
    for result in results:
        told = ", ".join(f"{name}: {value}" for name, value in result.facts.items())
        lines += [f"## {result.name}: {result.title}", "", f"{told}.", ""]
        lines += [
            "| measure | contestant | median | spread | ratio |",
            "| --- | --- | --: | --: | --: |",
        ]
        for comparison in result.comparisons:
            lines += [_row(comparison, at) for at in range(len(comparison.series))]
        lines.append("")
    lines += ["## Goals", "", "| scenario | goal | measured | |", "| --- | --- | --: | --- |"]
    lines += [
        f"| {result.name} | {goal.text} {'≥' if goal.at_least else '≤'} {goal.target:g} "
        f"| {goal.value:.3g} | {'reached' if goal.reached else '**not reached**'} |"
        for result in results
        for goal in result.goals
    ]
    return "\n".join(lines) + "\n"


def _row(comparison: Comparison, at: int) -> str:
    series = comparison.series[at]
    unit = str(comparison.unit)
    title = comparison.title if at == 0 else ""
    ratio = (
        ""
        if at == 0
        or not comparison.unit.better
        or 0 in (series.median, comparison.series[0].median)
        else f"{comparison.ratio(series.name):.2f}x"
    )
    spread = f"{_figure(min(series.values))} - {_figure(max(series.values))}"
    # A bar would end the table's cell.
    name = series.name.replace("|", "\\|")
    return f"| {title} | {name} | {_figure(series.median)} {unit} | {spread} | {ratio} |"


def _figure(value: float) -> str:
    """Return a value with three digits that count."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def write(fresh: list[Result], folder: Path) -> str:
    """Write the table, the figures and the charts into a folder; return the table.

    What an earlier run found of other scenarios stays there.
    """
    results = {one.name: one for one in [*_earlier(folder / "benchmark.json"), *fresh]}
    ordered = sorted(results.values(), key=lambda one: list(SCENARIOS).index(one.name))
    text = markdown(ordered)
    charts = folder / "charts"
    charts.mkdir(parents=True, exist_ok=True)
    (folder / "benchmark.md").write_text(text, "utf-8")
    figures = {"results": [_as_json(result) for result in ordered]}
    (folder / "benchmark.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for result in fresh:
        draw(result, charts / f"{result.name}.svg")
    return text


def _earlier(path: Path) -> list[Result]:
    """Return the results of earlier runs, of scenarios that there still are."""
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))["results"]
    return [_from_json(one) for one in found if one["name"] in SCENARIOS]


def _from_json(told: dict[str, Any]) -> Result:
    comparisons = [
        Comparison(
            one["title"],
            Unit(one["unit"]),
            [Series(series["name"], series["values"]) for series in one["series"]],
        )
        for one in told["comparisons"]
    ]
    goals = [
        Goal(one["text"], one["value"], one["target"], one["at_least"]) for one in told["goals"]
    ]
    return Result(told["name"], told["title"], comparisons, goals, told["facts"])


def _as_json(result: Result) -> dict[str, object]:
    found = asdict(result)
    for comparison, told in zip(result.comparisons, found["comparisons"], strict=True):
        for series, entry in zip(comparison.series, told["series"], strict=True):
            entry["median"] = series.median
    for goal, entry in zip(result.goals, found["goals"], strict=True):
        entry["reached"] = goal.reached
    return found


def draw(result: Result, path: Path) -> None:
    """Draw bars of a scenario's medians, with lines from the least to the most."""
    heights = [len(comparison.series) + 1.2 for comparison in result.comparisons]
    figure = Figure(figsize=(_WIDTH, _ROW * sum(heights) + 0.6), layout="constrained")
    grid = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)
    figure.suptitle(f"{result.name}: {result.title}", fontsize=10)
    for axes, comparison in zip(grid[:, 0], result.comparisons, strict=True):
        names = [series.name for series in comparison.series]
        medians = [series.median for series in comparison.series]
        below = [one.median - min(one.values) for one in comparison.series]
        above = [max(one.values) - one.median for one in comparison.series]
        colours = [_OURS if name.startswith("casfs") else _THEIRS for name in names]
        axes.barh(names, medians, color=colours, xerr=[below, above], ecolor=_SPREAD, capsize=2)
        for at, (median, room) in enumerate(zip(medians, above, strict=True)):
            axes.annotate(f"  {_figure(median)}", (median + room, at), va="center", fontsize=8)
        axes.set_xlim(0, max(map(sum, zip(medians, above, strict=True))) * 1.12 or 1)
        unit = f", {comparison.unit}" if comparison.unit else ""
        better = f" ({comparison.unit.better} is better)" if comparison.unit.better else ""
        axes.set_title(f"{comparison.title}{unit}{better}", fontsize=9, loc="left")
        axes.invert_yaxis()
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    # Text as text, names of its own and no date: small, and the same figures give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": result.name}):
        figure.savefig(path, metadata={"Date": None})
