"""`casfs profiles`."""

from dataclasses import asdict

import click

from casfs.cli.options import json_option
from casfs.cli.show import show_json, show_table
from casfs.profiles import profiles


@click.command("profiles")
@json_option
def profiles_command(as_json: bool) -> None:
    """List the settings and keys that were found; never a secret.

    What an official tool keeps is used with its dialect, where nothing of ours gives a key.
    """
    found = [asdict(profile) for profile in profiles()]
    if as_json:
        show_json(found)
        return
    columns = {
        "use": "use",
        "dialect": "dialect",
        "endpoint": "endpoint",
        "account": "account",
        "access_key_id": "key",
        "source": "found in",
        "note": "note",
    }
    show_table(list(columns.values()), ([one[name] for name in columns] for one in found))
