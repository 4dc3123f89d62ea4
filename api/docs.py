"""The description of the API for readers, at `/docs`; its library comes from this server, not from another host."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from api.dashboard.files import inline_hashes
from api.dashboard.serving import PREFIX

PATH = "/docs"
LIBRARY = f"{PREFIX}/vendor/swagger-ui"


def add_docs(app: FastAPI) -> None:
    """Serve the description at `/docs` of an app that serves the page too."""

    async def docs(request: Request) -> Response:
        root = request.scope.get("root_path", "").rstrip("/")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{LIBRARY}.js",
            swagger_css_url=f"{root}{LIBRARY}.css",
            swagger_favicon_url=f"{root}{PREFIX}/page/icon.svg",
        )
        return HTMLResponse(page.body, headers=headers(inline_hashes(bytes(page.body))))

    app.router.routes.append(Route(PATH, docs, name="docs", include_in_schema=False))


def headers(script_hashes: list[str]) -> dict[str, str]:
    """Return headers that let the page reach nobody but its own server; its library sets styles by itself."""
    sources = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *script_hashes],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    policy = "; ".join(f"{name} {' '.join(values)}" for name, values in sources.items())
    return {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
