"""Sign-ins: a signed value in a cookie, which says which token it was and until when it holds."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

import msgspec

from app.runtime.errors import VoicemonError
from app.runtime.settings import WebSettings
from app.web.tokens import Grant, Tokens

MOST_REVOKED = 10_000
LONGEST = 1_000
SHORTEST_KEY = 32
PURPOSE = b"voicemon sign-in"
"""Keeps what is derived for sign-ins apart from whatever else the hash of a token may be used for."""


class _Session(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    name: str
    until_ms: int
    nonce: str


class Sessions:
    """Issues and checks sign-ins.

    Each is signed with a key that comes from its own token, the token's scope and the session key of the settings, if
    there is one. So any worker with the same settings takes it, also after a restart, and it ends with its time, with
    its token and with nobody else's. Nothing is kept but sign-outs.
    """

    def __init__(self, tokens: Tokens, settings: WebSettings) -> None:
        """Raises VoicemonError for a session key that could be guessed."""
        session_key = settings.session_key.get_secret_value().encode()
        if session_key and len(session_key) < SHORTEST_KEY:
            raise VoicemonError(f"VOICEMON_WEB_SESSION_KEY is shorter than {SHORTEST_KEY} bytes: set a long random one")
        self._keys = {grant.name: (grant, _key(session_key, grant)) for grant in tokens.all()}
        self.seconds = int(settings.session_hours * 3600)
        self._revoked: dict[str, int] = {}

    def issue(self, grant: Grant, now_ms: int) -> str:
        """A new sign-in of the token's owner."""
        session = _Session(grant.name, now_ms + self.seconds * 1000, secrets.token_urlsafe(12))
        body = urlsafe_b64encode(msgspec.json.encode(session)).decode().rstrip("=")
        return f"{body}.{_signature(self._keys[grant.name][1], body)}"

    def find(self, value: str, now_ms: int) -> Grant | None:
        """What a sign-in allows, None if it is over, forged, signed out or of a token that is gone."""
        found = self._read(value)
        if found is None or now_ms >= found[0].until_ms or found[0].nonce in self._revoked:
            return None
        return found[1]

    def revoke(self, value: str, now_ms: int) -> None:
        """End a sign-in before its time."""
        found = self._read(value)
        if found is None:
            return
        self._revoked = {nonce: until for nonce, until in self._revoked.items() if until > now_ms}
        while len(self._revoked) >= MOST_REVOKED:
            del self._revoked[next(iter(self._revoked))]
        self._revoked[found[0].nonce] = found[0].until_ms

    def _read(self, value: str) -> tuple[_Session, Grant] | None:
        """What we have signed with the key of a token that still holds."""
        if len(value) > LONGEST or not value.isascii():
            return None
        body, _, signature = value.partition(".")
        try:
            session = msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Session)
        except (Base64Error, ValueError, msgspec.MsgspecError):
            return None
        grant, key = self._keys.get(session.name, (None, b""))
        if grant is None or not hmac.compare_digest(_signature(key, body), signature):
            return None
        return session, grant


def _key(session_key: bytes, grant: Grant) -> bytes:
    """Another one for another token, another scope or another session key."""
    scope = b"staff" if grant.organization_id is None else b"organization:" + grant.organization_id.encode()
    return hmac.digest(session_key, b"\n".join((PURPOSE, grant.digest, scope)), "sha256")


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
