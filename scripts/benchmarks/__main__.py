"""`python -m benchmarks`, which scripts/bench runs: every scenario, one table."""

import contextlib
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from benchmarks import origin, preflight, processes, report
from benchmarks.bench import Bench
from benchmarks.processes import BenchmarkError
from benchmarks.scenarios import SCENARIOS

_TURNS = 5


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--scenario",
    "names",
    multiple=True,
    type=click.Choice(list(SCENARIOS)),
    help="Run only this scenario; may be repeated.",
)
@click.option(
    "--pairs",
    default=_TURNS,
    show_default=True,
    type=click.IntRange(1),
    help="Turns of each.",
)
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Factor for all sizes and counts, for quick trials.",
)
@click.option(
    "--output",
    default=Path("docs"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Directory for the table, the JSON and the charts; other scenarios in it are preserved.",
)
def main(names: tuple[str, ...], pairs: int, scale: float, output: Path) -> None:
    """Measure casfs beside rclone and curl, in turns, and print a table of ratios."""

    def tell(text: str) -> None:
        click.echo(text, err=True)

    results = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(processes.signals_as_interrupts())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="casfs-bench-")))
        served = stack.enter_context(origin.serve(folder / "origin"))
        bench = Bench(served, folder, pairs, scale, tell)
        preflight.check(bench)
        for name in names or SCENARIOS:
            tell(f"{name} ...")
            results.append(SCENARIOS[name](bench))
    facts = report.run_facts() | {"turns": str(pairs), "scale": f"{scale:g}"}
    click.echo(report.write([replace(one, facts=facts) for one in results], output))


try:
    main()
except BenchmarkError as failure:
    click.echo(f"bench: {failure}", err=True)
    sys.exit(1)
