"""Whether a worker would open its web views with these settings."""

from collections.abc import Callable, Iterator

from app.checks.finding import Finding
from app.runtime.errors import VoicemonError
from app.runtime.settings import WebSettings
from app.web.client_address import trusted_networks
from app.web.guard import allowed_hosts, refuse_open_address
from app.web.sessions import Sessions
from app.web.tokens import Tokens, configured_tokens

PART = "web"


def check_web(settings: WebSettings) -> Iterator[Finding]:
    """What there is to say; where the access tokens cannot be read only that."""
    try:
        tokens = configured_tokens(settings)
    except VoicemonError as error:
        yield Finding(PART, "access tokens", str(error))
        return
    yield Finding(PART, f"access tokens ({len(tokens.all())})", _own_token(settings, tokens))
    attempts: dict[str, Callable[[], object]] = {
        f"listen on {settings.host or 'every address'}": lambda: refuse_open_address(settings, tokens),
        "session key": lambda: Sessions(tokens, settings),
        "host names": lambda: allowed_hosts(settings),
        "trusted proxies": lambda: trusted_networks(settings.trusted_proxies),
    }
    for what, attempt in attempts.items():
        try:
            attempt()
        except VoicemonError as error:
            yield Finding(PART, what, str(error))
        else:
            yield Finding(PART, what)


def _own_token(settings: WebSettings, tokens: Tokens) -> str:
    own = settings.client_token.get_secret_value()
    if not tokens or not own or tokens.find(own):
        return ""
    return "VOICEMON_WEB_CLIENT_TOKEN is none of them: set it to the token of one of the lines"
