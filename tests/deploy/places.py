"""Where the deployment lies, and what the code says about it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from app.runtime.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@cache
def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def known_settings() -> set[str]:
    """Names of all settings as environment variables."""
    return {
        f"{PREFIX}{group}_{name}".upper()
        for group, field in Settings.model_fields.items()
        for name in type(field.get_default()).model_fields
    }


def values(node: object, key: str) -> Iterator[Any]:
    """Everything that stands under a key anywhere in a document."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from values(value, key)
