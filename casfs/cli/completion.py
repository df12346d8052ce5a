"""What the shell offers when a user presses TAB; click makes the scripts for bash, zsh and fish."""
# ruff: noqa: ARG001 (click passes the same arguments to all)

import os
import re
import threading
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from casfs.cached_names import CachedNames

_VARIABLE = "_CASFS_COMPLETE"
_SECONDS = 3.0
"""After which there is nothing to offer: a cache on a network disk may not answer."""
_PLAIN = re.compile(r"[\w@%+,./-]*")
"""What bash takes as it is. Names come from the service, and must not become commands."""


def prepare_completion() -> None:
    """If the shell asks for completions: print no errors, and end soon, whatever happens."""
    if not os.environ.get(_VARIABLE, "").endswith("_complete"):
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    timer = threading.Timer(_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()


def complete_profile(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the profiles of the configuration."""
    from casfs.cached_names import profile_names

    return _items(profile_names(), incomplete)


def complete_vault(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the vaults that are known."""
    return _items(_names(context).vaults(incomplete), incomplete)


def complete_job(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the known jobs of the vault."""
    return _items(_names(context).jobs(_vault(context), incomplete), incomplete)


def complete_path(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the cataloged paths of the vault."""
    return _items(_names(context).paths(_vault(context), incomplete), incomplete)


def complete_job_or_path(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the known jobs and the cataloged paths of the vault."""
    return complete_job(context, parameter, incomplete) + complete_path(
        context, parameter, incomplete
    )


def complete_mount_argument(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer profiles and directories, and directories alone after a profile."""
    directories = [CompletionItem(incomplete, type="dir")]
    if context.params.get("arguments"):
        return directories
    return complete_profile(context, parameter, incomplete) or directories


def complete_mountpoint(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer what casfs has mounted."""
    from casfs.mount.mount_table import FILE_SYSTEM, mounts

    found = [one.mountpoint for one in mounts() if one.file_system == FILE_SYSTEM]
    return _items(found, incomplete)


def _names(context: click.Context) -> "CachedNames":
    from casfs.cached_names import CachedNames

    return CachedNames(context.params.get("profile"), context.params.get("cache_dir"))


def _vault(context: click.Context) -> str:
    return str(context.params.get("vault") or "")


def _items(names: list[str], incomplete: str) -> list[CompletionItem]:
    """Return what can be typed: in bash, only names without special characters."""
    is_bash = os.environ.get(_VARIABLE, "").startswith("bash")
    return [
        CompletionItem(name)
        for name in names
        if name.startswith(incomplete)
        and name.isprintable()
        and (not is_bash or _PLAIN.fullmatch(name))
    ]
