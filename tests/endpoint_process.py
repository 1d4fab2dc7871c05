"""The embedded ClickHouse as the tests start it: a process of its own on a free port."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from pydantic import SecretStr

from app.runtime.settings import ClickHouseSettings

READY_SECONDS = 60.0
OPENER = build_opener(ProxyHandler({}))
FULL = ("writer", "w-secret")
READONLY = ("reader", "r-secret")


@dataclass(frozen=True)
class Reply:
    """An answer with its status."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def code(self) -> int:
        return int(self.headers.get("X-ClickHouse-Exception-Code", "0"))


class EndpointProcess:
    """A started endpoint; `stop` or `kill` ends it."""

    def __init__(self, path: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "app.local.clickhouse_server", "--path", str(path), *arguments]
        users = {"USER": FULL[0], "PASSWORD": FULL[1], "READONLY_USER": READONLY[0], "READONLY_PASSWORD": READONLY[1]}
        extra = {f"VOICEMON_CLICKHOUSE_{name}": value for name, value in users.items()} | (environment or {})
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **extra},  # noqa: TID251  (the child's environment)
        )
        assert self.process.stdout is not None
        line = _first_line(self.process.stdout, READY_SECONDS)
        if not line:
            self.process.kill()
            raise AssertionError(f"the endpoint did not start: {self.process.communicate(timeout=10)[1]}")
        self.port = int(json.loads(line)["port"])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> ClickHouseSettings:
        """What reaches it."""
        users = {"user": FULL[0], "password": SecretStr(FULL[1])}
        readers = {"readonly_user": READONLY[0], "readonly_password": SecretStr(READONLY[1])}
        return ClickHouseSettings(url=self.url, **users, **readers)

    def ask(
        self,
        statement: str | bytes = "",
        user: tuple[str, str] = FULL,
        method: str = "POST",
        path: str = "/",
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Reply:
        body = statement.encode() if isinstance(statement, str) else statement
        sent = {"X-ClickHouse-User": user[0], "X-ClickHouse-Key": user[1], **(headers or {})}
        url = f"{self.url}{path}?{urlencode(query)}"
        request = Request(url, data=body if method == "POST" else None, headers=sent, method=method)  # noqa: S310  (its own loopback address)
        try:
            with OPENER.open(request, timeout=60) as answer:
                return Reply(answer.status, answer.read(), dict(answer.headers))
        except HTTPError as error:
            with error:
                return Reply(error.code, error.read(), dict(error.headers))

    def stop(self, seconds: float = 30.0) -> int:
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended(seconds)

    def kill(self) -> None:
        self.process.kill()
        self._ended(10)

    def _ended(self, seconds: float) -> int:
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.communicate(timeout=10)


def _first_line(stream: IO[str], seconds: float) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return stream.readline() if selector.select(seconds) else ""


def wait_until(is_true, seconds: float = 20.0) -> None:  # type: ignore[no-untyped-def]
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + seconds
    pause = selectors.DefaultSelector()
    while not is_true():
        assert time.monotonic() < deadline, "the effect did not come in time"
        pause.select(0.02)
    pause.close()
