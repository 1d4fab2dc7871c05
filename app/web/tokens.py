"""Access tokens: who may ask a worker, and for which organisation."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from app.runtime.errors import VoicemonError
from app.runtime.settings import WebSettings

STAFF: Final = "staff"
ORGANIZATION: Final = "organization:"
HASH: Final = "sha256:"
SHORTEST: Final = 20
PREFIX: Final = "vm_"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FORM = "NAME staff|organization:ID sha256:HASH"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token allows; `organization_id` None means everything."""

    name: str
    organization_id: str | None = None
    digest: bytes = field(default=b"", repr=False)


LOCAL: Final = Grant("local")
"""Everybody on this machine, where no token is configured."""


class Tokens:
    """All access tokens of a worker, known by their hashes only."""

    def __init__(self, grants: Sequence[Grant] = ()) -> None:
        self._grants = tuple(grants)

    def __bool__(self) -> bool:
        return bool(self._grants)

    def all(self) -> Sequence[Grant]:
        """What each token allows."""
        return self._grants

    def find(self, token: str) -> Grant | None:
        """What the token allows, None for an unknown one; takes as long for every token."""
        digest, found = digest_of(token), None
        for grant in self._grants:
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        return found


def digest_of(token: str) -> bytes:
    """The hash that is kept instead of a token; a plain one will do, because tokens are long and random."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def new_token() -> str:
    """A new token of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def token_line(name: str, organization_id: str | None, token: str) -> str:
    """The line that lets a worker know the token. Raises VoicemonError for a name that is none."""
    _check_name(name)
    scope = STAFF if organization_id is None else ORGANIZATION + quote(organization_id, safe="")
    return f"{name} {scope} {HASH}{digest_of(token).hex()}"


def configured_tokens(settings: WebSettings) -> Tokens:
    """The tokens of the settings. Raises VoicemonError, without the secret, for a line that is none."""
    grants: list[Grant] = []
    for where, line in _lines(settings):
        grant = _grant(where, line)
        if any(grant.name == other.name for other in grants):
            raise VoicemonError(f"{where}: there are two access tokens named {grant.name!r}; rename one")
        if any(grant.digest == other.digest for other in grants):
            raise VoicemonError(f"{where}: the access token {grant.name!r} is the same as another one; make a new one")
        grants.append(grant)
    return Tokens(grants)


def _lines(settings: WebSettings) -> Iterator[tuple[str, str]]:
    yield from _numbered("VOICEMON_WEB_TOKENS", re.split(r"[;\n]", settings.tokens.get_secret_value()))
    if settings.tokens_file:
        try:
            text = Path(settings.tokens_file).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise VoicemonError(
                f"cannot read {settings.tokens_file} ({reason}): set VOICEMON_WEB_TOKENS_FILE to a readable file"
            ) from error
        yield from _numbered(settings.tokens_file, text.splitlines())


def _numbered(where: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield f"{where}, line {number}", text


def _grant(where: str, line: str) -> Grant:
    parts = line.split()
    if len(parts) != 3:
        raise VoicemonError(f"{where}: an access token is '{_FORM}'; 'voicemon token new NAME' prints one")
    name, scope, secret = parts
    _check_name(name, where)
    return Grant(name, _organization(where, scope), _digest(where, name, secret))


def _check_name(name: str, where: str = "token") -> None:
    if not _NAME.fullmatch(name):
        raise VoicemonError(f"{where}: the name of an access token is 1 to 64 of A-Z a-z 0-9 . _ -")


def _organization(where: str, scope: str) -> str | None:
    if scope == STAFF:
        return None
    organization_id = unquote(scope.removeprefix(ORGANIZATION))
    if not scope.startswith(ORGANIZATION) or not organization_id:
        raise VoicemonError(
            f"{where}: the scope of an access token is staff or organization:ID, the id percent-encoded"
        )
    return organization_id


def _digest(where: str, name: str, secret: str) -> bytes:
    if secret.startswith(HASH):
        text = secret.removeprefix(HASH).lower()
        if not _DIGEST.fullmatch(text):
            raise VoicemonError(f"{where}: the hash of {name!r} is not 64 hexadecimal digits")
        return bytes.fromhex(text)
    if len(secret) < SHORTEST:
        raise VoicemonError(
            f"{where}: the secret of {name!r} is shorter than {SHORTEST} characters: use 'voicemon token new'"
        )
    return digest_of(secret)
