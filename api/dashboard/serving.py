"""Serves the page. It holds nothing that is anybody's, so it needs no key: what it shows it asks the API for."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.dashboard.files import INDEX, PageFile, inline_hashes, read_files

PREFIX = "/dashboard"


class Page:
    """Answers for the page and its files."""

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._files = files
        self._headers = {
            "Content-Security-Policy": policy(inline_hashes(files[INDEX].content)),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-cache",
        }

    async def index(self, request: Request) -> Response:
        """Return the page."""
        return self._answer(request, INDEX)

    async def file(self, request: Request) -> Response:
        """Return a file that the page asks for."""
        return self._answer(request, request.path_params["path"])

    def _answer(self, request: Request, name: str) -> Response:
        file = self._files.get(name)
        if file is None:
            raise HTTPException(404)
        headers = {**self._headers, "ETag": file.tag}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.media_type, headers=headers)


def policy(script_hashes: list[str]) -> str:
    """Return a content security policy that lets the page reach nobody but its own server."""
    sources = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *script_hashes],
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in sources.items())


def add_dashboard(app: FastAPI) -> None:
    """Serve the page at `/` of an app, and its files under `/dashboard/`."""
    page = Page(read_files())
    app.router.routes += [
        Route("/", page.index, name="dashboard", include_in_schema=False),
        Route(PREFIX + "/{path:path}", page.file, name="dashboard-file", include_in_schema=False),
    ]
