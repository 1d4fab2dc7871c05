"""Whose sign-ins are counted together."""

import pytest
from aiohttp.test_utils import make_mocked_request

from app.runtime.errors import VoicemonError
from app.web.client_address import client_address, trusted_networks

PROXIES = trusted_networks("10.0.0.5, 10.1.0.0/16,fd00::/8")


def address(remote: str, *forwarded: str) -> str:
    request = make_mocked_request("POST", "/sign-in", headers=[("X-Forwarded-For", text) for text in forwarded])
    return client_address(request.clone(remote=remote), PROXIES)


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("10.0.0.5", (), "10.0.0.5"),
        ("10.0.0.5", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.5", ("198.51.100.7, 10.1.2.3",), "198.51.100.7"),
        ("10.0.0.5", ("198.51.100.7", "10.1.2.3"), "198.51.100.7"),
        ("::ffff:10.0.0.5", ("198.51.100.7:4711",), "198.51.100.7"),
        ("fd00::1", ("[2001:db8:1:2:3:4:5:6]:80",), "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", (), "2001:db8:1:2::/64"),
    ],
)
def test_behind_trusted_proxies_it_is_the_one_who_asked_the_first_of_them(
    remote: str, forwarded: tuple[str, ...], found: str
) -> None:
    assert address(remote, *forwarded) == found


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        ("10.0.0.5", ("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.5", ("10.0.0.5, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.5", ("unknown",), "10.0.0.5"),
        ("10.0.0.5", ("198.51.100.7, x, 10.1.0.1",), "10.1.0.1"),
        ("10.0.0.5", ("",), "10.0.0.5"),
        ("", ("198.51.100.7",), ""),
    ],
)
def test_what_a_stranger_writes_into_the_header_is_not_believed(
    remote: str, forwarded: tuple[str, ...], found: str
) -> None:
    assert address(remote, *forwarded) == found


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8"])
def test_proxies_are_addresses_or_networks(text: str) -> None:
    with pytest.raises(VoicemonError, match="VOICEMON_WEB_TRUSTED_PROXIES"):
        trusted_networks(text)
