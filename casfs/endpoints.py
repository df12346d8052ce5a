"""Determines the URL of a service: the configured endpoint, or the one of the region."""

import ipaddress
import logging
import re
from urllib.parse import SplitResult, urlsplit

from casfs.errors import ConfigError
from casfs.service.registration import Registration
from casfs.settings import did_you_mean

log = logging.getLogger(__name__)


def find_endpoint(
    registration: Registration, endpoint: str, region: str, profile: str | None = None
) -> str:
    """Return the URL of a service: the configured endpoint, or else the one of the region.

    Args:
        registration: the service.
        endpoint: URL or host, "" if none is configured.
        region: the region, "" if none is configured.
        profile: a profile of the official tools, which may choose among the region's endpoints.

    Raises:
        ConfigError: both are missing, or one is malformed.
    """
    if not endpoint:
        if not re.fullmatch(r"[a-z0-9-]+", region):
            raise ConfigError(
                f"no endpoint (region: {region!r}); "
                f"give --region {registration.region}, or --endpoint URL"
            )
        return registration.endpoint_in(region, profile)
    if "@" in endpoint:
        # Whatever precedes the last `@` may be a password, so it is not shown.
        raise ConfigError(
            f"endpoint of {endpoint.rpartition('@')[2]}: give scheme, host and port only, "
            "without a user name"
        )
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        parts = urlsplit(url)
        # Reading the port validates it.
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        host = _in_ascii(parts)
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", host):
        raise ConfigError(f"endpoint {endpoint!r} is not an http or https URL or a host name")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"endpoint of {parts.hostname}: give scheme, host and port only")
    return f"{parts.scheme}://{host}"


def warn_if_unknown(registration: Registration, region: str) -> None:
    """Log a warning about a region in which the service is not known to be."""
    if region not in registration.regions:
        log.warning(
            "region %s is not one that casfs knows; %s",
            region,
            did_you_mean(region, registration.regions),
        )


def _in_ascii(url: SplitResult) -> str:
    """Return host and port, with an internationalized host in its ASCII form (IDNA)."""
    if url.netloc.isascii():
        return url.netloc
    host = (url.hostname or "").encode("idna").decode()
    return host if url.port is None else f"{host}:{url.port}"


def warn_if_readable(endpoint: str) -> None:
    """Log a warning if the endpoint is on another machine and does not use TLS.

    Args:
        endpoint: URL, as `find_endpoint` returns it.
    """
    parts = urlsplit(endpoint)
    if parts.scheme == "http" and not is_this_machine(endpoint):
        log.warning(
            "connections to %s are not encrypted: others on the network can read names, bytes and "
            "temporary keys, and change answers; use https:// in --endpoint if the service "
            "supports it",
            endpoint,
        )


def is_this_machine(endpoint: str) -> bool:
    """Return whether an endpoint, as `find_endpoint` returns it, is on this machine."""
    host = urlsplit(endpoint).hostname or ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
