"""Ports of the local stack, on the loopback address only."""

import socket

from app.runtime.errors import VoicemonError

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nothing listens on now; another program may still take it first."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def check_port(port: int, service: str, setting: str) -> int:
    """`port`, or a free one for 0.

    Raises VoicemonError if the port is taken; the message names the setting that moves it.
    """
    if port == 0:
        return free_port()
    with socket.socket() as probe:
        # As the servers do: a connection that was closed a moment ago does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise VoicemonError(f"port {port} for {service} needs root rights: set {setting} above 1023") from error
        except OSError as error:
            raise VoicemonError(
                f"port {port} for {service} is in use: end the program that listens there, "
                f"set {setting} to another port, or run with --ports auto"
            ) from error
    return port
