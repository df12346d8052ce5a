"""`casfs vaults`, `casfs jobs`, `casfs cat`."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from casfs.cli.asking import Asked, asked
from casfs.cli.completion import complete_job, complete_vault
from casfs.cli.gaps import unread_text
from casfs.cli.options import (
    IdentifierCommand,
    json_option,
    open_client,
    profile_option,
    service_options,
    skip_bad_records_option,
)
from casfs.cli.show import local_text, say, show_json, show_table, size_text, time_text
from casfs.ledger.request import Request
from casfs.model import Job, JobState, Vault

_PIECE = 1 << 20
"""Bytes that `casfs cat` reads at a time."""


@click.command("vaults")
@profile_option
@json_option
@service_options
def vaults_command(profile: str | None, as_json: bool, **flags: Any) -> None:
    """List the vaults of the account.

    A key that may not list them sees those that are known or named, and the command fails.
    """
    with open_client(profile, flags) as client:
        answer = asked(client)
        vaults, refusal = client.vaults(), client.vaults_refusal()
    if vaults or refusal is None:
        _show_vaults(vaults, as_json, answer)
    if refusal is not None:
        raise refusal
    answer.finish()


def _show_vaults(vaults: Sequence[Vault], as_json: bool, answer: Asked) -> None:
    if as_json:
        show_json([json.loads(vault.raw) | answer.stale for vault in vaults])
        return
    columns = ["vault", "created", "inventory", "archives", "size"]
    show_table(
        columns,
        (
            [
                vault.name,
                time_text(vault.created),
                time_text(vault.inventoried),
                "-" if vault.archives is None else str(vault.archives),
                size_text(vault.size),
            ]
            for vault in vaults
        ),
    )


@click.command("jobs", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@profile_option
@json_option
@service_options
def jobs_command(vault: str, profile: str | None, as_json: bool, **flags: Any) -> None:
    """List the jobs of a vault, and when their outputs expire."""
    with open_client(profile, flags) as client:
        answer = asked(client, vault)
        jobs = list(client.jobs(vault))
        requests = client.archives.requests(vault)
    if as_json:
        # Imported here: no command needs the catalog for its `--help`.
        from casfs.cli.archive_rows import request_facts

        facts = {job: {"request": request_facts(one)} for job, one in requests.items()}
        show_json(
            [json.loads(job.raw) | facts.get(job.id, {}) | answer.stale for job in jobs],
        )
    else:
        _show_jobs(jobs, requests)
    answer.finish()


def _show_jobs(jobs: Sequence[Job], requests: Mapping[str, Request]) -> None:
    from casfs.cli.archive_rows import cost_text

    columns = ["job", "kind", "state", "completed", "expires", "size", "description"]
    here = any(job.id in requests for job in jobs)
    columns += ["requested", "cost"] if here else []
    rows = []
    for job in jobs:
        request = requests.get(job.id)
        row = [
            job.id,
            job.kind.value,
            job.state.value,
            _completion(job),
            time_text(job.expires if job.readable else None),
            size_text(job.size),
            job.description,
        ]
        if here:
            row += [local_text(request.intended) if request else "-", cost_text(request)]
        rows.append(row)
    show_table(columns, rows)


def _completion(job: Job) -> str:
    """Return when a job completed, or by when it usually does."""
    from casfs.cli.archive_rows import usual_end

    if job.state is not JobState.RUNNING:
        return time_text(job.completed)
    ready = usual_end(job.created, json.loads(job.raw).get("Tier"))
    return f"by {local_text(ready)}" if ready else "-"


@click.command("cat", cls=IdentifierCommand)
@click.argument("vault", shell_complete=complete_vault)
@click.argument("job", shell_complete=complete_job)
@click.option(
    "--inventory",
    type=click.Choice(["csv", "json"]),
    help="Write the job's inventory in this format, whichever format the job has.",
)
@skip_bad_records_option("Leave out records that cannot be read, and say how many.")
@profile_option
@service_options
def cat_command(
    vault: str, job: str, inventory: str | None, profile: str | None, **flags: Any
) -> None:
    """Write a job's output to standard output, every byte checked."""
    if flags["skip_bad_records"] and not inventory:
        raise click.UsageError("--skip-bad-records is for --inventory csv|json")
    with open_client(profile, flags) as client:
        name = f"inventory.{inventory}" if inventory else "output"
        node = client.job_file(vault, job, name)
        file = client.open(node)
        try:
            for offset in range(0, file.size, _PIECE):
                sys.stdout.buffer.write(file.pread(_PIECE, offset))
            sys.stdout.buffer.flush()
        finally:
            file.close()
        if (count := client.left_out(node)) != 0:
            say(f"casfs: {unread_text(count, job)}, and left out", err=True)
