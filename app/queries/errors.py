"""Questions that cannot be answered as they were asked."""

from app.runtime.errors import VoicemonError


class InvalidParameter(VoicemonError):
    """A parameter that does not fit (HTTP 400, exit code 2); `field` is its JSON name."""

    exit_code = 2

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class NotFound(VoicemonError):
    """The question is about one thing that does not exist (HTTP 404)."""
