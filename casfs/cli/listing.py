"""`casfs vaults`."""

import json
from collections.abc import Sequence
from typing import Any

import click

from casfs.cli.asking import Asked, asked
from casfs.cli.options import account_options, open_client
from casfs.cli.show import show_json, size_text, time_text
from casfs.cli.tables import Column, long_option, show_table
from casfs.model import Vault


@click.command("vaults")
@long_option
@account_options
def vaults_command(is_long: bool, profile: str | None, as_json: bool, **flags: Any) -> None:
    """List the vaults of the account.

    A key that may not list them sees those that are known or named, and the command fails.
    """
    with open_client(profile, flags) as client:
        answer = asked(client)
        vaults, refusal = client.vaults(), client.vaults_refusal()
    if vaults or refusal is None:
        _show_vaults(vaults, as_json, is_long, answer)
    if refusal is not None:
        raise refusal
    answer.finish()


def _show_vaults(vaults: Sequence[Vault], as_json: bool, is_long: bool, answer: Asked) -> None:
    if as_json:
        show_json([json.loads(vault.raw) | answer.stale for vault in vaults])
        return
    columns = [
        Column("vault", folds=True),
        Column("created", rank=2),
        Column("inventory", rank=1),
        Column("archives"),
        Column("size"),
    ]
    rows = [
        [
            vault.name,
            time_text(vault.created),
            time_text(vault.inventoried),
            "-" if vault.archives is None else str(vault.archives),
            size_text(vault.size),
        ]
        for vault in vaults
    ]
    count = f"{len(vaults)} {'vault' if len(vaults) == 1 else 'vaults'}"
    archives = sum(vault.archives or 0 for vault in vaults)
    size = sum(vault.size or 0 for vault in vaults)
    totals = f"{count}: {archives:,} archives, {size_text(size)}"
    show_table(columns, rows, totals, is_long)
