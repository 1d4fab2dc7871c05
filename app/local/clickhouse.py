"""The embedded ClickHouse endpoint as a process."""

import http.client
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.local.ports import HOST
from app.local.processes import Command
from app.runtime.settings import ClickHouseSettings


class LocalClickHouse:
    """ClickHouse over HTTP on the loopback address; its data in `folder` is kept between runs."""

    name = "clickhouse"
    title = "ClickHouse"

    def __init__(self, folder: Path, port: int, settings: ClickHouseSettings) -> None:
        self.folder = folder
        self.port = port
        self._settings = settings

    @property
    def address(self) -> str:
        """URL without user and password."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The setting that points the monitor at this endpoint."""
        return {"VOICEMON_CLICKHOUSE_URL": self.address}

    @property
    def logs(self) -> Sequence[Path]:
        """What the endpoint prints."""
        return [self.folder / "clickhouse.log"]

    def prepare(self) -> Command:
        """Make the folder; returns the endpoint's command, with users and passwords in its environment only."""
        self.folder.mkdir(parents=True, exist_ok=True)
        module = [sys.executable, "-m", "app.local.clickhouse_server"]
        users = {
            "VOICEMON_CLICKHOUSE_USER": self._settings.user,
            "VOICEMON_CLICKHOUSE_PASSWORD": self._settings.password.get_secret_value(),
            "VOICEMON_CLICKHOUSE_READONLY_USER": self._settings.readonly_user,
            "VOICEMON_CLICKHOUSE_READONLY_PASSWORD": self._settings.readonly_password.get_secret_value(),
        }
        data = str(self.folder / "data")
        return Command([*module, "--path", data, "--host", HOST, "--port", str(self.port)], self.logs[0], users)

    def is_answering(self, seconds: float) -> bool:
        """Whether `/ping` says "Ok." within `seconds`."""
        # http.client knows no proxies: what the environment names as one must not see the loopback address.
        connection = http.client.HTTPConnection(HOST, self.port, timeout=seconds)
        try:
            connection.request("GET", "/ping")
            answer = connection.getresponse()
            return answer.status == http.HTTPStatus.OK and answer.read(16).startswith(b"Ok.")
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
