"""Loads the settings: from flags, the environment, the file, then the official tools' files."""

import contextlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from casfs import config_file as files
from casfs import homes
from casfs.bandwidth import BandwidthLimit
from casfs.credentials import KeySource
from casfs.endpoints import find_endpoint, warn_if_unknown
from casfs.errors import ConfigError
from casfs.found_keys import official_key_again, own_key
from casfs.homes import cache_directory, expanded, state_directory
from casfs.rotation import FindAgain
from casfs.service.registration import Registration
from casfs.service.registry import DIALECTS
from casfs.setting_layers import DEFAULT_PROFILE, merged, of_profile, read_again
from casfs.settings import (
    CHOICES,
    EXPIRING_WITHIN,
    KEY,
    NUMBERS,
    PRICES,
    config_files,
    environment_settings,
    text,
    vault_names,
    vault_settings,
)
from casfs.tree.descriptions.rules import DEFAULT, RuleSet

DIALECT_NAMES = tuple(DIALECTS)
DEFAULT_DIALECT = DIALECT_NAMES[0]


@dataclass(frozen=True)
class Config:
    """Everything that a client needs to know.

    Attributes:
        dialect: the service's wire form.
        endpoint: URL with scheme and host, without a path.
        region: the region that requests are signed for, if they are; "" if unknown.
        account: the account in the path, "-" for the one that owns the key.
        credentials: the key that signs requests.
        cache_dir: directory of the disk cache.
        cache_size: bytes that the disk cache may hold.
        memory_size: bytes of blocks in memory, including those being received and written.
        connections: parallel GETs of outputs.
        connect_timeout: seconds to establish a connection.
        read_timeout: seconds without a byte after which a connection counts as stalled; a request
            that is repeated because no answer began in that time waits twice as long.
        deadline: seconds after which a request, a read or a listing fails.
        attempts: how often a request is sent at most; None = until `deadline`.
        listing_ttl: seconds for which a listing is fresh.
        description_rules: how descriptions give archives their names.
        vault_rules: the same by vault, for vaults with rules of their own.
        vaults: names of vaults, for a key that may not list them.
        state_dir: directory of the record of requests; None if there is no home.
        settle_seconds: seconds after which a request that no listing shows was not accepted.
        expiring_within: seconds before its expiry from which on an output is expiring.
        traffic: "inside" or "outside" the service's region; "" = by the endpoint's address.
        prices: the profile's own prices, as the file has them.
        bwlimit: limits how fast outputs are received; None if nothing does.
        ca_bundle: file or directory of certificates that the official tools are configured to
            trust; "" if they are not.
        find_key_again: looks for the key where it was found; None if it cannot change there.
        settings_again: reads our settings again; None if they were not read.
        skip_bad_records: omit unreadable records from inventory files. It is a flag and not a
            setting, because a list that is silently incomplete is how archives get lost.
    """

    endpoint: str
    credentials: KeySource
    cache_dir: Path
    dialect: str = DEFAULT_DIALECT
    region: str = ""
    account: str = "-"
    cache_size: int = 20 << 30
    memory_size: int = 96 << 20
    connections: int = 8
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    deadline: float = 120.0
    attempts: int | None = None
    listing_ttl: float = 60.0
    description_rules: RuleSet = DEFAULT
    vault_rules: Mapping[str, RuleSet] = field(default_factory=dict, hash=False)
    vaults: tuple[str, ...] = ()
    state_dir: Path | None = None
    settle_seconds: float = 600.0
    expiring_within: float = EXPIRING_WITHIN
    traffic: str = ""
    prices: Mapping[str, object] = field(default_factory=dict, hash=False)
    bwlimit: BandwidthLimit | None = None
    ca_bundle: str = ""
    find_key_again: FindAgain | None = field(default=None, compare=False, repr=False)
    settings_again: Callable[[], Mapping[str, object]] | None = field(
        default=None, compare=False, repr=False
    )
    skip_bad_records: bool = False
    profile: str = field(default=DEFAULT_PROFILE, compare=False)

    def rules(self, vault: str) -> RuleSet:
        """Return the rules for descriptions in a vault."""
        return self.vault_rules.get(vault, self.description_rules)


def load(
    profile: str | None = None,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Config:
    """Return the settings of a profile: flag beats environment beats file beats official tool.

    The dialect determines which official tool's keys are used, never what happens to be found.

    Args:
        profile: name of a `[profiles.NAME]` table; else `CASFS_PROFILE`, else "default".
        flags: settings from the command line by name; None values are ignored.
        environment: where `CASFS_*` are looked up.
        home: home directory, for the official tools' credentials files.

    Raises:
        ConfigError: a setting is missing, unknown or malformed; the message names it.
        DeniedError: the official tool's key is not available.
    """
    name = profile or environment.get("CASFS_PROFILE")
    # Absolute, because a mount changes its directory and reads the file again for a new key.
    paths = [path.absolute() for path in config_files(environment)]
    path = files.with_profile(paths, name or DEFAULT_PROFILE)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    must_exist = bool(environment.get("CASFS_CONFIG"))
    in_profile = of_profile(path, name, must_exist)
    layers = [in_profile, environment_settings(environment), given]
    dialect = text(merged(layers), "dialect", DEFAULT_DIALECT)
    if dialect not in DIALECTS:
        raise ConfigError(f"unknown dialect {dialect!r}; known: {', '.join(DIALECTS)}")
    registration, home = DIALECTS[dialect], (home or homes.home()).absolute()
    tools = _tool_settings(registration, merged(layers))
    layers.insert(0, tools)
    settings = merged(layers, registration)
    place = f"[profiles.{name or DEFAULT_PROFILE}] in {path}"
    keys: KeySource | None
    if KEY & settings.keys():
        keys = own_key(settings, environment, place)
        again: FindAgain = partial(_own_key_again, path, name, environment, place)
        find_again = again if KEY - environment_settings(environment).keys() else None
    else:
        settings, keys, find_again = _official(registration, home, settings, layers)
    if keys is None:
        raise ConfigError(
            "no credentials; set CASFS_ACCESS_KEY_ID and CASFS_SECRET_ACCESS_KEY, or access_key_id "
            f"and secret_access_key of {place}, or use "
            f"{registration.keys.place}{_others(dialect, home)}"
        )
    # CASFS_VAULTS replaces the names of vaults, but not the rules for single vaults.
    rules = _rules(settings, in_profile)
    built = _build(settings, dialect, keys, name or DEFAULT_PROFILE, rules)
    settings_again = partial(read_again, path, name, environment, given)
    return replace(built, find_key_again=find_again, settings_again=settings_again)


def _tool_settings(registration: Registration, settings: Mapping[str, object]) -> dict[str, object]:
    """Return what the official tools have configured for every key, ours included."""
    if registration.tool_settings is None:
        return {}
    return dict(registration.tool_settings(text(settings, "aws_profile") or None))


def _official(
    registration: Registration,
    home: Path,
    settings: dict[str, object],
    layers: Sequence[Mapping[str, object]],
) -> tuple[dict[str, object], KeySource | None, FindAgain | None]:
    """Return the settings with an official tool's, its key, and a function that finds it again.

    Raises:
        ConfigError: its configuration cannot be used.
        DeniedError: its key is not available.
    """
    find = partial(registration.keys.find, home, text(settings, "aws_profile") or None)
    found = find()
    if found is None:
        return settings, None, None
    settings = merged([found.settings, *layers], registration)
    again = partial(official_key_again, find, found, text(settings, "account", "-"))
    return settings, found.keys, None if found.fixed else again


def _own_key_again(
    path: Path, profile: str | None, environment: Mapping[str, str], place: str
) -> KeySource | None:
    """Return the key that our settings have now; None if there is none.

    Raises:
        ConfigError: the file cannot be read, or the key is malformed.
    """
    return own_key(read_again(path, profile, environment, {}), environment, place)


def _others(dialect: str, home: Path) -> str:
    """Return a hint about keys for other dialects, to append to a message."""
    found = []
    for other, registration in DIALECTS.items():
        # A problem with another dialect's file is not the problem here.
        with contextlib.suppress(ConfigError):
            if other != dialect and (places := registration.keys.list(home)):
                found.append(f"there are some for --dialect {other} in {places[0].source}")
    return f" ({'; '.join(found)})" if found else ""


def _build(
    settings: Mapping[str, object],
    dialect: str,
    keys: KeySource,
    profile: str,
    rules: Mapping[str, Any],
) -> Config:
    registration, region = DIALECTS[dialect], text(settings, "region")
    cache_dir = text(settings, "cache_dir") or str(cache_directory())
    state_dir = text(settings, "state_dir")
    endpoint = find_endpoint(
        registration,
        text(settings, "endpoint"),
        region,
        text(settings, "aws_profile") or None,
    )
    # The region is part of the header with the signature.
    if registration.signs_region and not re.fullmatch(r"[A-Za-z0-9_-]+", region):
        raise ConfigError(
            f"no region (region: {region!r}), but requests to {dialect} are signed for one; "
            f"give --region, such as --region {registration.region}"
        )
    account = text(settings, "account", "-") if registration.names_account else "-"
    if not account.isprintable():
        raise ConfigError(f"account {account!r} is not an account; give --account a number, or -")
    # Another endpoint may be a stand-in, which has any region.
    if not text(settings, "endpoint"):
        warn_if_unknown(registration, region)
    return Config(
        endpoint=endpoint,
        credentials=keys,
        cache_dir=expanded(cache_dir, "cache_dir"),
        state_dir=expanded(state_dir, "state_dir") if state_dir else state_directory(),
        dialect=dialect,
        region=region,
        account=account,
        profile=profile,
        vaults=vault_names(settings),
        prices=prices if isinstance(prices := settings.get(PRICES), dict) else {},
        ca_bundle=_absolute(text(settings, "ca_bundle")),
        **rules,
        **{
            name: parse(text(settings, name), name)
            for name, parse in (NUMBERS | CHOICES).items()
            if name in settings
        },
    )


def _absolute(path: str) -> str:
    """Return a path that stays the same file when a mount changes its directory; "" if empty."""
    return str(expanded(path, "ca_bundle")) if path else ""


def _rules(settings: Mapping[str, object], profile: Mapping[str, object]) -> dict[str, Any]:
    """Return the rules for descriptions, as fields of a `Config`."""
    name = "description_rules"
    vaults = vault_settings(profile, name).items()
    rules = {"vault_rules": {v: RuleSet.parse(str(t), f"{name} of vault {v!r}") for v, t in vaults}}
    if name in settings:
        return rules | {name: RuleSet.parse(str(settings[name]))}
    return rules
