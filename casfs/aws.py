"""Finds keys as Amazon's own tools do, with botocore.

Its chain is: environment, profiles (a key, a role to assume, single sign-on, an external program),
container, instance role. botocore is imported where it is used, because importing it is slow.
"""

import base64
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casfs.aws_settings import broken, configured_endpoint, new_session, session_settings
from casfs.credentials import (
    Credentials,
    FoundSettings,
    checked_identifier,
    checked_secret,
    warn_if_exposed,
)
from casfs.errors import ConfigError, DeniedError
from casfs.homes import NO_HOME

if TYPE_CHECKING:
    from botocore.session import Session

_KEY_ID = "aws_access_key_id"
# The profile to use if none is named.
_DEFAULT = "default"


class AwsKeys:
    """A key from botocore, which renews temporary keys before they expire.

    Args:
        credentials: botocore's credentials.
        identity: distinguishes it from other keys, including those of other accounts.
    """

    def __init__(self, credentials: Any, identity: str) -> None:
        self._credentials = credentials
        self._identity = identity

    @property
    def identity(self) -> str:
        """Return what distinguishes this key from others, even when it is renewed."""
        return self._identity

    def current(self) -> Credentials:
        """Return the key to sign with now, renewed if it is about to expire.

        Raises:
            DeniedError: it cannot be renewed.
        """
        try:
            now = self._credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - an external program may fail in any way
            what = f"the AWS keys from {self._credentials.method} cannot be renewed"
            raise _denied(what, error) from None
        try:
            return _checked(now, self._credentials.method)
        except ConfigError as error:
            raise DeniedError(str(error)) from None


class AwsChain:
    """The chain of keys, and the profiles in Amazon's two files.

    `AWS_*` variables of this process determine the files and the profile, as botocore defines; the
    `home` arguments are ignored.
    """

    place = "the AWS configuration"

    def find(self, home: Path, profile: str | None) -> FoundSettings | None:
        """Return the first key of the chain, None if there is none; may make requests.

        Raises:
            ConfigError: there is no such profile, or a file cannot be read.
            DeniedError: the source of the key, such as a program, does not supply one.
        """
        del home
        from botocore import credentials as botocore_credentials

        session = new_session(profile)
        try:
            credentials = session.get_credentials()
            settings = session_settings(session)
            if credentials is None:
                return None
            if type(credentials) is botocore_credentials.Credentials:
                # A permanent key can be checked without a request.
                _checked(credentials.get_frozen_credentials(), credentials.method)
            keys = AwsKeys(credentials, _identity(session, credentials, profile))
            files = _secret_files(session, credentials.method)
        except ConfigError:
            raise
        except _config_errors() as error:
            raise broken(error) from None
        except Exception as error:  # noqa: BLE001 - an external program may fail in any way
            raise _denied("no AWS keys are available", error) from None
        for file in files:
            warn_if_exposed(file)
        return FoundSettings(
            source=f"AWS ({credentials.method})",
            settings=settings,
            keys=keys,
            access_key_id=None,
            profile=session.profile,
            file=next(iter(files), None),
            account=_account(keys.identity),
            fixed=credentials.method == "env",
        )

    def list(self, home: Path) -> list[FoundSettings]:
        """Return the key in the environment, and every profile.

        Raises:
            ConfigError: a file cannot be read.
        """
        del home
        from botocore.exceptions import BotoCoreError

        try:
            return list(_listed(new_session(None)))
        except BotoCoreError as error:
            raise broken(error) from None


def _checked(key: Any, method: str) -> Credentials:
    """Convert a key from botocore's type to ours.

    Raises:
        ConfigError: a part of it is malformed.
    """

    def name(part: str) -> str:
        return part.upper() if method == "env" else f"{part} of the AWS keys from {method}"

    return Credentials(
        checked_identifier(key.access_key, name(_KEY_ID)),
        checked_secret(key.secret_key, name("aws_secret_access_key")),
        checked_identifier(key.token, name("aws_session_token")) if key.token else None,
    )


def _identity(session: "Session", credentials: Any, profile: str | None) -> str:
    """Return what identifies the account of a key, as far as known without a request.

    That is the role or the sign-on account, or else the identifier of the current key; a different
    identifier is assumed to belong to a different account.
    """
    facts = session.full_config["profiles"].get(session.profile or _DEFAULT, {})
    # botocore reads this variable first, unless a profile was named.
    role = os.environ.get("AWS_ROLE_ARN") if profile is None else None
    known = {
        "assume-role": facts.get("role_arn"),
        "assume-role-with-web-identity": role or facts.get("role_arn"),
        "sso": facts.get("sso_account_id"),
        # Reading the key itself fails if it has expired, and its cache must still be usable.
        "env": os.environ.get("AWS_ACCESS_KEY_ID"),
    }
    return str(known.get(credentials.method) or credentials.access_key).strip()


def _account(identity: str) -> str | None:
    """Return the account number of a key, role or sign-on account; None if it cannot be derived.

    Recent key identifiers contain it (`sts get-access-key-info` relies on that, too).
    """
    if found := re.fullmatch(r"(?:arn:[^:]*:iam::)?(\d{12})(?::.*)?", identity):
        return found[1]
    if not re.fullmatch(r"A[A-Z]{3}[Q-Z2-7][A-Z2-7]{15}", identity):
        return None
    number = int.from_bytes(base64.b32decode(identity[4:])[:6]) >> 7 & ((1 << 40) - 1)
    return f"{number:012d}"


def _secret_files(session: "Session", method: str) -> list[Path]:
    """Return the files that hold the secret of the profile, or of its source profiles."""
    if method not in ("shared-credentials-file", "config-file", "assume-role"):
        return []
    profiles, chain = session.full_config["profiles"], []
    name = session.profile or _DEFAULT
    while name and name not in chain:
        chain.append(name)
        name = profiles.get(name, {}).get("source_profile")
    found = [one.file for one in _listed(session) if one.profile in chain and one.file]
    return list(dict.fromkeys(found))


def _listed(session: "Session") -> Iterator[FoundSettings]:
    from botocore.configloader import load_config, raw_config_parse

    if key_id := os.environ.get("AWS_ACCESS_KEY_ID"):
        yield FoundSettings("environment (AWS_*)", session_settings(session), None, key_id)
    # Keys in the environment take precedence over a profile named by `AWS_PROFILE`.
    used = None if key_id else session.profile or _DEFAULT
    secret_file, file = _path(session, "credentials_file"), _path(session, "config_file")
    known = load_config(str(file))["profiles"] if file.exists() else {}
    secret = raw_config_parse(str(secret_file)) if secret_file.exists() else {}
    for path, profiles in ((secret_file, secret), (file, known)):
        for name, facts in profiles.items():
            region = facts.get("region") or known.get(name, {}).get("region")
            holds_secret = path if "aws_secret_access_key" in facts else None
            if holds_secret or name not in secret:
                merged = session.full_config["profiles"].get(name, {})
                endpoint = configured_endpoint(session, merged)
                settings = {"region": region, "endpoint": endpoint}
                use = "" if name == used else f"CASFS_AWS_PROFILE={shlex.quote(name)}"
                key_id = facts.get(_KEY_ID)
                yield FoundSettings(
                    source=str(path),
                    settings={key: value for key, value in settings.items() if value},
                    keys=None,
                    access_key_id=key_id,
                    profile=name,
                    file=holds_secret,
                    use=use,
                )


def _path(session: "Session", name: str) -> Path:
    path = Path(session.get_config_variable(name))
    try:
        return path.expanduser()
    except RuntimeError:
        # The user has no home.
        return NO_HOME / path.name


def _config_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of botocore that users fix in a file or a variable."""
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


def _denied(what: str, error: Exception) -> DeniedError:
    """Return the error for a key that is not available, whatever exception was the reason.

    The message has only the kind of the exception, because its text may contain a secret.
    """
    from botocore.exceptions import ClientError

    why = type(error).__name__
    if isinstance(error, ClientError):
        why = str(error.response.get("Error", {}).get("Code", why))
    elif isinstance(error, OSError):
        why = str(error)
    return DeniedError(f"{what} ({why}); sign in again, or correct ~/.aws")
