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


class _Session(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    name: str
    fingerprint: str
    until_ms: int
    nonce: str


class Sessions:
    """Issues and checks sign-ins.

    Nothing is kept but sign-outs, so that any worker with the same key and tokens takes a sign-in of another; a
    sign-in ends with its time and with its token.
    """

    def __init__(self, tokens: Tokens, settings: WebSettings) -> None:
        """Raises VoicemonError for a session key that could be guessed."""
        self._tokens = tokens
        self._key = settings.session_key.get_secret_value().encode() or secrets.token_bytes(32)
        if len(self._key) < SHORTEST_KEY:
            raise VoicemonError(f"VOICEMON_WEB_SESSION_KEY is shorter than {SHORTEST_KEY} bytes: set a long random one")
        self.seconds = int(settings.session_hours * 3600)
        self._revoked: dict[str, int] = {}

    def issue(self, grant: Grant, now_ms: int) -> str:
        """A new sign-in of the token's owner."""
        until_ms = now_ms + self.seconds * 1000
        session = _Session(grant.name, self._fingerprint(grant), until_ms, secrets.token_urlsafe(12))
        body = urlsafe_b64encode(msgspec.json.encode(session)).decode().rstrip("=")
        return f"{body}.{self._signature(body)}"

    def find(self, value: str, now_ms: int) -> Grant | None:
        """What a sign-in allows, None if it is over, forged, signed out or of a token that is gone."""
        session = self._read(value)
        if session is None or now_ms >= session.until_ms or session.nonce in self._revoked:
            return None
        return next((grant for grant in self._tokens.all() if self._is_of(session, grant)), None)

    def revoke(self, value: str, now_ms: int) -> None:
        """End a sign-in before its time."""
        session = self._read(value)
        if session is None:
            return
        self._revoked = {nonce: until for nonce, until in self._revoked.items() if until > now_ms}
        while len(self._revoked) >= MOST_REVOKED:
            del self._revoked[next(iter(self._revoked))]
        self._revoked[session.nonce] = session.until_ms

    def _read(self, value: str) -> _Session | None:
        body, _, signature = value.partition(".")
        is_ours = len(value) <= LONGEST and value.isascii() and hmac.compare_digest(self._signature(body), signature)
        if not is_ours:
            return None
        try:
            return msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Session)
        except (Base64Error, ValueError, msgspec.MsgspecError):
            return None

    def _is_of(self, session: _Session, grant: Grant) -> bool:
        return session.name == grant.name and hmac.compare_digest(session.fingerprint, self._fingerprint(grant))

    def _fingerprint(self, grant: Grant) -> str:
        """Changes with the token and its scope, and tells nothing of either."""
        scope = "" if grant.organization_id is None else f"organization:{grant.organization_id}"
        return self._signature(f"{grant.digest.hex()} {scope}")[:32]

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
