"""`casfs profiles`."""

from dataclasses import asdict

import click

from casfs.cli.options import json_option
from casfs.cli.show import show_json
from casfs.cli.tables import Column, long_option, show_table
from casfs.profiles import profiles


@click.command("profiles")
@long_option
@json_option
def profiles_command(is_long: bool, as_json: bool) -> None:
    """List the settings and keys that were found, without secrets.

    The files of an official tool are used with its dialect, if casfs's own settings give no key.
    """
    found = [asdict(profile) for profile in profiles()]
    if as_json:
        show_json(found)
        return
    columns = {
        "use": Column("use", folds=True),
        "dialect": Column("dialect"),
        "endpoint": Column("endpoint", rank=2, folds=True),
        "account": Column("account", rank=1),
        "access_key_id": Column("key", is_id=True),
        "source": Column("found in", folds=True),
        "note": Column("note", rank=3, folds=True),
    }
    rows = [[one[name] for name in columns] for one in found]
    totals = f"{len(found)} {'entry' if len(found) == 1 else 'entries'}"
    show_table(list(columns.values()), rows, totals, is_long)
