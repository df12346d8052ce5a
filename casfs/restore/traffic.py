"""Whether this machine is in the service's region, where traffic may cost nothing."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy


@dataclass(frozen=True, slots=True)
class Place:
    """Where this machine is, and how that is known.

    Attributes:
        inside: in the service's region.
        why: what says so, in words.
        address: the address of the endpoint that says so, None if something else does.
    """

    inside: bool
    why: str
    address: str | None = None


def find_place(endpoint: str, setting: str, networks: Sequence[ipaddress.IPv4Network]) -> Place:
    """Return where this machine is: as the setting says, else by the address of the endpoint.

    What cannot be known counts as outside, which costs more.

    Args:
        endpoint: URL.
        setting: `inside`, `outside`, or "".
        networks: in which the endpoint is for a machine inside the region.
    """
    if setting:
        return Place(setting == "inside", f'traffic = "{setting}" is set')
    if select_proxy(endpoint, get_environ_proxies(endpoint, no_proxy=None)):
        return Place(False, "as far as casfs knows: requests go through a proxy")
    host = urlsplit(endpoint).hostname or ""
    addresses = _addresses(host)
    if not addresses:
        return Place(False, f"as far as casfs knows: {host} has no address")
    outside = [one for one in addresses if not _is_in(one, networks)]
    shown = (outside or addresses)[0]
    named = f"{host} is {shown}" if host != shown else f"the endpoint is {shown}"
    return Place(not outside, named, shown)


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _is_in(address: str, networks: Sequence[ipaddress.IPv4Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(mapped in network for network in networks)
