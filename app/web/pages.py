"""Pages that are made here, for browsers with or without JavaScript."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from app.domain.windows import HOUR_MS
from app.web.page import page_files

PAGES: Final = Environment(loader=PackageLoader("app.web"), autoescape=True, undefined=StrictUndefined)
# Only our own files; the one script is the page's choice of light or dark.
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}


def _utc(ms: int, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime(form)


PAGES.filters["utc"] = _utc
PAGES.filters["utc_hour"] = lambda ms: f"{_utc(ms, '%Y-%m-%d %H:%M')} to {_utc(ms + HOUR_MS, '%H:%M')}"
PAGES.filters["number"] = lambda value: f"{value:,}"


def render(template: str, values: Mapping[str, Any], status: int = 200) -> web.Response:
    """A page of a template; values are text in it, never markup."""
    text = PAGES.get_template(template).render(**values, static=f"/static/{page_files().version}")
    return web.Response(text=text, status=status, content_type="text/html", headers=PAGE_HEADERS)
