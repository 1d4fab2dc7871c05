"""Failures that the embedded endpoint answers, with ClickHouse's codes and the HTTP status a server gives them."""

import re

from app.runtime.errors import VoicemonError

BAD_ARGUMENTS = 36
UNKNOWN_FORMAT = 73
UNKNOWN_SETTING = 115
READONLY = 164
SESSION_IS_LOCKED = 373
SETTING_OUT_OF_BOUNDS = 452
QUERY_NOT_ALLOWED = 446
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_EXCEPTION = 1002

_NAMES = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    UNKNOWN_FORMAT: "UNKNOWN_FORMAT",
    UNKNOWN_SETTING: "UNKNOWN_SETTING",
    READONLY: "READONLY",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    SETTING_OUT_OF_BOUNDS: "SETTING_CONSTRAINT_VIOLATION",
    QUERY_NOT_ALLOWED: "QUERY_NOT_ALLOWED",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
}
# Source: ClickHouse, src/Server/HTTPHandler.cpp, exceptionCodeToHTTPStatus.
_STATUS = {
    400: (6, 26, 27, 36, 38, 41, 42, 43, 44, 46, 47, 50, 53, 57, 62, 69, 70, 72, 73, 82, 115, 130, 131, 374, 456, 457),
    403: (ACCESS_DENIED,),
    404: (60, 81),
    408: (159,),
    413: (307, 158, 396),
    501: (48,),
    503: (202, 252),
}
_STATUS_OF = {code: status for status, codes in _STATUS.items() for code in codes} | {
    AUTHENTICATION_FAILED: 401,
    192: 401,
    193: 401,
    READONLY: 403,
    QUERY_NOT_ALLOWED: 403,
}
_CODE = re.compile(r"Code: (\d+)\. DB::Exception")


class QueryRefused(VoicemonError):
    """A statement that the endpoint or its engine does not run; `code` is ClickHouse's error number."""

    def __init__(self, code: int, message: str) -> None:
        name = _NAMES.get(code, "UNKNOWN_EXCEPTION")
        super().__init__(f"Code: {code}. DB::Exception: {message} ({name})")
        self.code = code

    @classmethod
    def of_engine(cls, text: str) -> "QueryRefused":
        """The engine's own message, kept as it is from its code on."""
        found = _CODE.search(text)
        error = cls(int(found[1]) if found else UNKNOWN_EXCEPTION, text)
        if found:
            error.args = (text[found.start() :],)
        return error

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return _STATUS_OF.get(self.code, 500)
