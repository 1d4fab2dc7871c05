"""Addresses that only this machine reaches."""

import ipaddress


def is_loopback(host: str) -> bool:
    """True if only this machine reaches that address or name."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
