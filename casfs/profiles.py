"""Lists the settings and keys that exist, and where they were found; never a secret."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from casfs import config_file as files
from casfs import homes
from casfs.config import DEFAULT_DIALECT
from casfs.credentials import FoundSettings, is_exposed
from casfs.endpoints import find_endpoint
from casfs.errors import ConfigError
from casfs.service.registry import DIALECTS
from casfs.setting_layers import DEFAULT_PROFILE
from casfs.settings import config_files, environment_settings, text


@dataclass(frozen=True)
class Profile:
    """Settings that were found in one place.

    Attributes:
        use: the option that selects them; "" if they are the default.
        source: where they were found.
        dialect: the dialect that they are for.
        endpoint: URL, "" if unknown.
        account: account in the path, "" if unknown.
        access_key_id: public identifier of the key, "" if there is none or it takes a request.
        note: a warning for the user, or "".
    """

    use: str
    source: str
    dialect: str
    endpoint: str
    account: str
    access_key_id: str
    note: str


def profiles(
    environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> list[Profile]:
    """Return all profiles; makes no requests.

    Args:
        environment: where `CASFS_*` are looked up.
        home: home directory, for the official tools' credentials files.
    """
    found = [*_in_environment(environment), *_in_files(environment)]
    for dialect, registration in DIALECTS.items():
        try:
            places = registration.keys.list(home or homes.home())
        except ConfigError as error:
            found.append(Profile(f"--dialect {dialect}", "", dialect, "", "", "", str(error)))
            continue
        found += [_official(dialect, place) for place in places]
    return found


def _in_environment(environment: Mapping[str, str]) -> Iterator[Profile]:
    settings = environment_settings(environment)
    if {"access_key_id", "secret_access_key"} & settings.keys():
        yield _profile("", "environment (CASFS_*)", settings, "")


def _in_files(environment: Mapping[str, str]) -> Iterator[Profile]:
    seen: set[str] = set()
    for path in config_files(environment):
        yield from _in_file(path, bool(environment.get("CASFS_CONFIG")), seen)


def _in_file(path: Path, must_exist: bool, seen: set[str]) -> Iterator[Profile]:
    """Yield the profiles of a file, except those that an earlier file has, too."""
    try:
        found = files.read(path, must_exist)
    except ConfigError as error:
        yield Profile("", str(path), "", "", "", "", str(error))
        return
    for name in found.profiles:
        if name in seen:
            continue
        seen.add(name)
        use = "" if name == DEFAULT_PROFILE else f"--profile {name}"
        try:
            settings = found.settings(name)
        except ConfigError as error:
            yield Profile(use, str(path), "", "", "", "", str(error))
            continue
        holds_secret = "secret_access_key" in settings
        yield _profile(use, str(path), settings, _note(path) if holds_secret else "")


def _profile(use: str, source: str, settings: Mapping[str, object], note: str) -> Profile:
    dialect = text(settings, "dialect", DEFAULT_DIALECT)
    try:
        settings = {**_tool_settings(dialect, text(settings, "aws_profile") or None), **settings}
    except ConfigError as error:
        note = str(error)
    return Profile(
        use=use,
        source=source,
        dialect=dialect,
        endpoint=_endpoint(dialect, settings),
        account=text(settings, "account"),
        access_key_id=text(settings, "access_key_id"),
        note=note,
    )


def _official(dialect: str, found: FoundSettings) -> Profile:
    use = [] if dialect == DEFAULT_DIALECT else [f"--dialect {dialect}"]
    return Profile(
        use=" ".join([found.use, *use]).strip(),
        source=found.source,
        dialect=dialect,
        endpoint=_endpoint(dialect, {**found.settings, "aws_profile": found.profile or ""}),
        account=found.settings.get("account", ""),
        access_key_id=found.access_key_id or "",
        note=_note(found.file) if found.file else "",
    )


def _tool_settings(dialect: str, profile: str | None) -> Mapping[str, str]:
    """Return what the official tools of a dialect have configured for every key.

    Raises:
        ConfigError: their files cannot be used.
    """
    registration = DIALECTS.get(dialect)
    if registration is None or registration.tool_settings is None:
        return {}
    return registration.tool_settings(profile)


def _endpoint(dialect: str, settings: Mapping[str, object]) -> str:
    """Return the endpoint that would be used, "" if there is none yet."""
    endpoint, region = text(settings, "endpoint"), text(settings, "region")
    profile = text(settings, "aws_profile") or None
    try:
        return find_endpoint(DIALECTS[dialect], endpoint, region, profile)
    except (ConfigError, KeyError):
        return ""


def _note(path: Path) -> str:
    return f"readable by others; run: chmod 600 {path}" if is_exposed(path) else ""
