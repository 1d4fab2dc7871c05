"""Which services the tests take, and what an unmarked test may not do."""

import asyncio
import socket

import pytest
from pytest_socket import SocketBlockedError

from app.runtime.settings import TestSettings
from tests.services import Source, allowed_hosts, choose, settings_of_url


def test_an_address_wins_over_docker_and_docker_over_the_local_stack() -> None:
    given = TestSettings(kafka="broker:9092")
    assert choose(given, lambda: True).kafka is Source.ADDRESS
    assert choose(given, lambda: True).clickhouse is Source.DOCKER
    assert choose(given, lambda: False).clickhouse is Source.LOCAL


def test_docker_is_not_asked_if_it_may_never_be_used() -> None:
    def unexpected() -> bool:
        raise AssertionError

    assert choose(TestSettings(use_docker="never"), unexpected).kafka is Source.LOCAL


def test_the_header_names_both_sources() -> None:
    header = choose(TestSettings(kafka="broker:9092"), lambda: False).header()
    assert "Kafka from its address in the environment, ClickHouse from the local stack" in header


def test_user_and_password_move_out_of_a_clickhouse_url() -> None:
    settings = settings_of_url("https://me:p%40ss@store:8443")
    assert settings.url == "https://store:8443"
    assert (settings.user, settings.password.get_secret_value()) == ("me", "p@ss")


def test_the_hosts_of_given_addresses_may_be_reached() -> None:
    settings = TestSettings(kafka="one:9092,two:9092", clickhouse="http://me:secret@store:8123")
    assert {"127.0.0.1", "one", "two", "store"} <= set(allowed_hosts(settings))


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_an_unmarked_test_cannot_open_a_socket() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket()


async def test_an_unmarked_test_can_run_an_event_loop() -> None:
    await asyncio.to_thread(len, "")
