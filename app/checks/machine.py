"""Whether this machine and its environment fit."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from app.checks.finding import Finding
from app.runtime.loopback import is_loopback
from app.runtime.settings import Settings, unknown_names


def check_names() -> Finding:
    """Whether every `VOICEMON_` variable is a setting."""
    unknown = unknown_names()
    problem = f"unknown variables {', '.join(unknown)}: see 'voicemon config show' for the names" if unknown else ""
    return Finding("names", "environment variables", problem)


def check_data_folder(settings: Settings) -> list[Finding]:
    """Whether the local stack can write its folder; nothing to say where Kafka and ClickHouse run elsewhere."""
    hosts = [_host(f"//{settings.kafka.bootstrap.split(',')[0]}"), _host(settings.clickhouse.url)]
    if not any(map(is_loopback, hosts)):
        return []
    folder = settings.local.data_dir.expanduser().absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    problem = ""
    if not existing.is_dir():
        problem = f"{existing} is no folder: set VOICEMON_LOCAL_DATA_DIR to another one"
    elif not _is_writable(existing):
        problem = f"{existing} cannot be written: change its rights or set VOICEMON_LOCAL_DATA_DIR to another folder"
    return [Finding("data folder", f"write {folder}", problem)]


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
