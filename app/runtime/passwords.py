"""Passwords, from a variable or from a file such as a mounted secret."""

import re
from pathlib import Path

from pydantic import SecretStr

from app.runtime.errors import VoicemonError


def current_password(given: SecretStr, file: Path | None, variable: str) -> str:
    """The content of the file without its line end, or what was given if there is none.

    The file is read at each call, so that a password that changes there holds from the next connection on.
    Raises VoicemonError if it cannot be read; `variable` is the setting that names it.
    """
    if file is None:
        return given.get_secret_value()
    return read_setting_file(file, variable).decode(errors="replace").rstrip("\r\n")


def read_setting_file(file: Path, variable: str) -> bytes:
    """The content of a file that a setting names. Raises VoicemonError if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise VoicemonError(
            f"{variable} names {file}, which cannot be read ({error.strerror}): correct the path or its rights"
        ) from error


def masked_url(text: str) -> str:
    """The text without the user and password that a URL in it may carry."""
    return re.sub(r"//[^/@\s]*@", "//********@", text)
