"""Whose request it is, where proxies stand between a browser and a worker."""

import ipaddress
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from app.runtime.errors import VoicemonError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED: Final = "X-Forwarded-For"
HOUSEHOLD: Final = 64
"""Bits of an IPv6 address that one customer has; the others they may choose anew for each request."""


def trusted_networks(text: str) -> list[Network]:
    """Networks of a comma-separated list. Raises VoicemonError for what is neither an address nor a network."""
    try:
        return [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise VoicemonError(
            f"VOICEMON_WEB_TRUSTED_PROXIES holds something else than addresses and networks ({error}): "
            "write them like 10.0.0.5,10.1.0.0/16"
        ) from error


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """The address of the one who asks, for an IPv6 one its network; "" where there is none.

    Every proxy adds the address that it was asked from, so the list is believed from its end, as long as those who
    wrote it are trusted: whatever stands before, anybody could have sent.
    """
    address = _parsed(request.remote or "")
    for text in reversed(",".join(request.headers.getall(FORWARDED, ())).split(",")):
        hop = _parsed(text.strip())
        if hop is None or address is None or not _is_in(address, trusted):
            break
        address = hop
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, HOUSEHOLD), strict=False))
    return str(address or "")


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _parsed(text: str) -> Address | None:
    """An address, of an IPv4 one in IPv6's form the IPv4 one; some proxies add the port."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
