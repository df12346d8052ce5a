"""Which endpoint and certificates Amazon's own tools would use, whatever key signs the requests.

botocore is imported where it is used, because importing it is slow.
"""

import functools
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from casfs.errors import ConfigError

if TYPE_CHECKING:
    from botocore.endpoint_provider import EndpointProvider
    from botocore.session import Session

_SERVICE = "glacier"


def new_session(profile: str | None) -> "Session":
    """Return botocore's view of the environment and of Amazon's two files.

    Args:
        profile: a profile in them; None for the one that `AWS_PROFILE` names, or the default.
    """
    from botocore.session import Session

    for name in ("botocore.credentials", "botocore.tokens"):
        logging.getLogger(name).addFilter(_is_below_warning)
    return Session(profile=profile)


def session_settings(session: "Session") -> dict[str, str]:
    """Return `region`, `endpoint` and `ca_bundle`, where Amazon's tools have them configured.

    Raises:
        BotoCoreError: a file cannot be read, or there is no such profile.
    """
    found = {name: session.get_config_variable(name) for name in ("region", "ca_bundle")}
    found["endpoint"] = configured_endpoint(session, session.get_scoped_config())
    return {name: str(value) for name, value in found.items() if value}


def configured_endpoint(session: "Session", profile: Mapping[str, Any]) -> str | None:
    """Return the endpoint that Amazon's tools ask with a profile, None for the region's own.

    Args:
        session: the environment and the files.
        profile: the profile's settings.

    Raises:
        BotoCoreError: the profile names services that are not configured.
    """
    from botocore.configprovider import ConfiguredEndpointProvider
    from botocore.utils import ensure_boolean

    name = "ignore_configured_endpoint_urls"
    ignored = os.environ.get(f"AWS_{name.upper()}", profile.get(name, "false"))
    if ensure_boolean(ignored):
        return None
    provider = ConfiguredEndpointProvider(session.full_config, profile, _SERVICE)
    found: str | None = provider.provide()
    return found


def tool_settings(profile: str | None) -> dict[str, str]:
    """Return `endpoint` and `ca_bundle` as Amazon's tools have them configured; no request is made.

    They apply to every key: where Amazon's tools ask a stand-in, requests must not go to Amazon.
    A region is not among them, because it belongs to a key.

    Args:
        profile: as for `new_session`.

    Raises:
        ConfigError: a file cannot be read, or there is no such profile.
    """
    from botocore.exceptions import BotoCoreError

    try:
        found = session_settings(new_session(profile))
    except BotoCoreError as error:
        raise broken(error) from None
    found.pop("region", None)
    return found


def endpoint_in(region: str, profile: str | None) -> str:
    """Return the URL of Amazon Glacier in a region, by the rules that come with botocore.

    They know every partition (China, GovCloud, the isolated regions), and the FIPS and dual-stack
    endpoints that a profile may ask for.

    Raises:
        ConfigError: a file cannot be read, or there is no such endpoint.
    """
    from botocore.exceptions import BotoCoreError

    try:
        session = new_session(profile)
        found = _rules().resolve_endpoint(
            Region=region,
            UseFIPS=bool(session.get_config_variable("use_fips_endpoint")),
            UseDualStack=bool(session.get_config_variable("use_dualstack_endpoint")),
        )
    except BotoCoreError as error:
        raise broken(error) from None
    return str(found.url)


@functools.cache
def _rules() -> "EndpointProvider":
    from botocore.endpoint_provider import EndpointProvider

    loader = new_session(None).get_component("data_loader")
    return EndpointProvider(
        ruleset_data=loader.load_service_model(_SERVICE, "endpoint-rule-set-1"),
        partition_data=loader.load_data("partitions"),
    )


def broken(error: Exception) -> ConfigError:
    """Return the error for settings of Amazon's tools that cannot be used."""
    from botocore.exceptions import ConfigParseError

    # The parser's message quotes the line, which may be the secret.
    why = "a file cannot be read" if isinstance(error, ConfigParseError) else str(error)
    return ConfigError(f"the AWS configuration: {why}; correct ~/.aws or AWS_PROFILE")


def _is_below_warning(record: logging.LogRecord) -> bool:
    """Drop botocore's warnings about failed renewals: they have tracebacks and program output.

    casfs raises an error of its own once the key has expired.
    """
    return record.levelno < logging.WARNING
