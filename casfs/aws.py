"""Keys as all tools of Amazon find them: by way of botocore, and read by nobody else.

Its chain is: environment, profiles (a key, a role to assume, single sign-on, a program that is
asked), container, instance role. botocore is imported where it is used, since that takes a while.
"""

import base64
import logging
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casfs.credentials import (
    Credentials,
    Found,
    checked_identifier,
    checked_secret,
    warn_if_exposed,
)
from casfs.errors import ConfigError, DeniedError
from casfs.homes import NO_HOME

if TYPE_CHECKING:
    from botocore.session import Session

_KEY_ID = "aws_access_key_id"
# The profile that counts where none is named.
_DEFAULT = "default"


class AwsKeys:
    """A key of botocore's, which renews temporary ones by itself, before they run out.

    Args:
        credentials: botocore's.
        identity: what tells it from others, also from those of other accounts.
    """

    def __init__(self, credentials: Any, identity: str) -> None:
        self._credentials = credentials
        self._identity = identity

    @property
    def identity(self) -> str:
        """Return what tells this key from others; it stays when the key is renewed."""
        return self._identity

    def current(self) -> Credentials:
        """Return the key to sign with now; asks for a new one when it is about to run out.

        Raises:
            DeniedError: there is no new one.
        """
        try:
            now = self._credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - a program may answer anything
            told = f"the AWS keys from {self._credentials.method} cannot be renewed"
            raise _denied(told, error) from None
        try:
            return _checked(now, self._credentials.method)
        except ConfigError as error:
            raise DeniedError(str(error)) from None


class AwsChain:
    """The chain of keys, and the profiles in Amazon's two files.

    Where they are, and which profile counts, `AWS_*` variables of this process say, as botocore
    has it; the directory that is given to it is not looked at.
    """

    place = "the AWS configuration"

    def find(self, home: Path, profile: str | None) -> Found | None:
        """Return the first key of the chain, None if it has none; may ask the network.

        Raises:
            ConfigError: there is no such profile, or a file cannot be read.
            DeniedError: who is asked for the key, such as a program, gives none.
        """
        del home
        from botocore import credentials as botocore_credentials

        session = _session(profile)
        try:
            credentials = session.get_credentials()
            settings = _settings(session)
            if credentials is None:
                return None
            if type(credentials) is botocore_credentials.Credentials:
                # No more is to be asked for it.
                _checked(credentials.get_frozen_credentials(), credentials.method)
            keys = AwsKeys(credentials, _identity(session, credentials, profile))
            files = _secret_files(session, credentials.method)
        except ConfigError:
            raise
        except _config_errors() as error:
            raise _broken(error) from None
        except Exception as error:  # noqa: BLE001 - a program may answer anything
            raise _denied("there are no AWS keys to be had", error) from None
        for file in files:
            warn_if_exposed(file)
        return Found(
            source=f"AWS ({credentials.method})",
            settings=settings,
            keys=keys,
            access_key_id=None,
            profile=session.profile,
            file=next(iter(files), None),
            account=_account(keys.identity),
            fixed=credentials.method == "env",
        )

    def list(self, home: Path) -> list[Found]:
        """Return the key in the environment, and every profile.

        Raises:
            ConfigError: a file cannot be read.
        """
        del home
        from botocore.exceptions import BotoCoreError

        try:
            return list(_listed(_session(None)))
        except BotoCoreError as error:
            raise _broken(error) from None


def _checked(key: Any, method: str) -> Credentials:
    """Return a key of botocore's as one of ours.

    Raises:
        ConfigError: a part of it is none.
    """

    def name(part: str) -> str:
        return part.upper() if method == "env" else f"{part} of the AWS keys from {method}"

    return Credentials(
        checked_identifier(key.access_key, name(_KEY_ID)),
        checked_secret(key.secret_key, name("aws_secret_access_key")),
        checked_identifier(key.token, name("aws_session_token")) if key.token else None,
    )


def _settings(session: "Session") -> dict[str, str]:
    """Return the region, and the endpoint where one is set, as all tools of Amazon take them."""
    from botocore.configprovider import ConfiguredEndpointProvider

    found = {"region": session.get_config_variable("region")}
    if not session.get_config_variable("ignore_configured_endpoint_urls"):
        provider = ConfiguredEndpointProvider(
            full_config=session.full_config,
            scoped_config=session.get_scoped_config(),
            client_name="glacier",
        )
        found["endpoint"] = provider.provide()
    return {name: str(value) for name, value in found.items() if value}


def _session(profile: str | None) -> "Session":
    from botocore.session import Session

    for name in ("botocore.credentials", "botocore.tokens"):
        logging.getLogger(name).addFilter(_is_no_warning)
    return Session(profile=profile)


def _is_no_warning(record: logging.LogRecord) -> bool:
    """Drop what is logged of keys that cannot be renewed: with a traceback, and what programs say.

    It is an error of ours as well, as soon as there is no key that still counts.
    """
    return record.levelno < logging.WARNING


def _identity(session: "Session", credentials: Any, profile: str | None) -> str:
    """Return what only keys of one account have in common, as far as it is known without asking.

    That is the role, or the account that one signs on to. Where there is neither, it is the
    identifier that the key has now, and another one after it is taken for another account's.
    """
    facts = session.full_config["profiles"].get(session.profile or _DEFAULT, {})
    # botocore asks the environment first here, and not at all when a profile was asked for.
    role = os.environ.get("AWS_ROLE_ARN") if profile is None else None
    known = {
        "assume-role": facts.get("role_arn"),
        "assume-role-with-web-identity": role or facts.get("role_arn"),
        "sso": facts.get("sso_account_id"),
        # Asking the key itself fails when it has run out; what is cached is still its own.
        "env": os.environ.get("AWS_ACCESS_KEY_ID"),
    }
    return str(known.get(credentials.method) or credentials.access_key).strip()


def _account(identity: str) -> str | None:
    """Return the number of the account that a key, role or sign-on is of; None if it does not tell.

    The identifier of a key that is not very old holds it, as `sts get-access-key-info` tells.
    """
    if found := re.fullmatch(r"(?:arn:[^:]*:iam::)?(\d{12})(?::.*)?", identity):
        return found[1]
    if not re.fullmatch(r"A[A-Z]{3}[Q-Z2-7][A-Z2-7]{15}", identity):
        return None
    number = int.from_bytes(base64.b32decode(identity[4:])[:6]) >> 7 & ((1 << 40) - 1)
    return f"{number:012d}"


def _secret_files(session: "Session", method: str) -> list[Path]:
    """Return the files that hold the secret of the profile, or of one its role is assumed with."""
    if method not in ("shared-credentials-file", "config-file", "assume-role"):
        return []
    profiles, chain = session.full_config["profiles"], []
    name = session.profile or _DEFAULT
    while name and name not in chain:
        chain.append(name)
        name = profiles.get(name, {}).get("source_profile")
    found = [one.file for one in _listed(session) if one.profile in chain and one.file]
    return list(dict.fromkeys(found))


def _listed(session: "Session") -> Iterator[Found]:
    from botocore.configloader import load_config, raw_config_parse

    if key_id := os.environ.get("AWS_ACCESS_KEY_ID"):
        region = os.environ.get("AWS_DEFAULT_REGION")
        yield Found("environment (AWS_*)", {"region": region} if region else {}, None, key_id)
    # Keys in the environment come before a profile that only `AWS_PROFILE` names.
    used = None if key_id else session.profile or _DEFAULT
    secret_file, file = _path(session, "credentials_file"), _path(session, "config_file")
    known = load_config(str(file))["profiles"] if file.exists() else {}
    secret = raw_config_parse(str(secret_file)) if secret_file.exists() else {}
    for path, profiles in ((secret_file, secret), (file, known)):
        for name, facts in profiles.items():
            region = facts.get("region") or known.get(name, {}).get("region")
            holds_secret = path if "aws_secret_access_key" in facts else None
            if holds_secret or name not in secret:
                settings = {"region": region} if region else {}
                use = "" if name == used else f"CASFS_AWS_PROFILE={shlex.quote(name)}"
                key_id = facts.get(_KEY_ID)
                yield Found(str(path), settings, None, key_id, name, holds_secret, use)


def _path(session: "Session", name: str) -> Path:
    path = Path(session.get_config_variable(name))
    try:
        return path.expanduser()
    except RuntimeError:
        # There is no home that it could be in.
        return NO_HOME / path.name


def _config_errors() -> tuple[type[Exception], ...]:
    """Return the errors of botocore that are mended in a file or a variable."""
    from botocore import exceptions

    return (
        exceptions.ConfigNotFound,
        exceptions.ConfigParseError,
        exceptions.InfiniteLoopConfigError,
        exceptions.InvalidConfigError,
        exceptions.PartialCredentialsError,
        exceptions.ProfileNotFound,
        exceptions.UnknownCredentialError,
    )


def _broken(error: Exception) -> ConfigError:
    from botocore.exceptions import ConfigParseError

    # The parser's own message quotes the line, which may be the secret.
    told = "a file cannot be read" if isinstance(error, ConfigParseError) else str(error)
    return ConfigError(f"the AWS configuration: {told}; correct ~/.aws or AWS_PROFILE")


def _denied(told: str, error: Exception) -> DeniedError:
    """Return the refusal; what any way to a key may raise, botocore's own errors and others.

    What a program or a service says beside it may hold a secret.
    """
    from botocore.exceptions import ClientError

    why = type(error).__name__
    if isinstance(error, ClientError):
        why = str(error.response.get("Error", {}).get("Code", why))
    elif isinstance(error, OSError):
        why = str(error)
    return DeniedError(f"{told} ({why}); sign in again, or correct ~/.aws")
