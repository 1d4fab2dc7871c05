"""Ports of the local stack, on the loopback address only."""

import secrets
import socket

from app.runtime.errors import VoicemonError

HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections (Linux from 32768, macOS from 49152): a service binds its
# port seconds after it was chosen, and no client may get it in between.
PORTS = range(20_000, 32_000)
TRIES = 100


def free_port() -> int:
    """A port that nothing listens on now; another program may still take it first.

    Raises VoicemonError if none is found.
    """
    for _ in range(TRIES):
        port = secrets.choice(PORTS)
        if _is_free(port):
            return port
    raise VoicemonError(f"no free port was found between {PORTS.start} and {PORTS.stop}: end some programs that listen")


def _is_free(port: int) -> bool:
    try:
        _bind(port)
    except OSError:
        return False
    return True


def _bind(port: int) -> None:
    with socket.socket() as probe:
        # As the servers do: a connection that was closed a moment ago does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


def check_port(port: int, service: str, setting: str) -> int:
    """`port`, or a free one for 0.

    Raises VoicemonError if the port is taken; the message names the setting that moves it.
    """
    if port == 0:
        return free_port()
    try:
        _bind(port)
    except PermissionError as error:
        raise VoicemonError(f"port {port} for {service} needs root rights: set {setting} above 1023") from error
    except OSError as error:
        raise VoicemonError(
            f"port {port} for {service} is in use: end the program that listens there, "
            f"set {setting} to another port, or run with --ports auto"
        ) from error
    return port
