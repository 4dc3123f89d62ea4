"""From the payload of an api_request to a request: pure, and strict about what could change its meaning."""

from __future__ import annotations

import re
from typing import Any, cast

import httpx

from vera_orchestrator.enums import TaskType
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.payloads import ApiRequestPayload, check_payload
from vera_orchestrator.secrets import is_secret_name

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
FRAMING_HEADERS = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
# RFC 9110, section 5.6.2: what a method and the name of a header are made of
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def read_payload(payload: object) -> ApiRequestPayload:
    """Return the payload as its model; raises InvalidPayload."""
    check_payload(TaskType.API_REQUEST, payload)
    return ApiRequestPayload.model_validate(payload)


def build_request(client: httpx.AsyncClient, payload: ApiRequestPayload) -> httpx.Request:
    """Return the request that a payload describes; raises InvalidPayload, naming the field."""
    method = _method(payload.method)
    url = _with_params(_url(payload.url), payload.params)
    headers = [(_header_name(name), _header_value(name, value)) for name, value in payload.headers.items()]
    try:
        return client.build_request(method, url, headers=headers, json=payload.json_, content=payload.body)
    except (TypeError, ValueError) as error:  # a value without a JSON form, or a half surrogate
        field = "payload.json" if payload.body is None else "payload.body"
        raise InvalidPayload(f"{error}.", field=field, remedy="Give a JSON value, or valid Unicode.") from None


def may_repeat(method: str, payload: ApiRequestPayload) -> bool:
    """Return whether a request that may have arrived may be sent again."""
    return method in IDEMPOTENT or (payload.model_extra or {}).get("retry") is True


def without_secrets(request: httpx.Request) -> httpx.Request:
    """Take the headers that hold secrets off a request, as it goes to another origin than the caller named."""
    for name in [name for name in request.headers if is_secret_name(name)]:
        del request.headers[name]
    return request


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Return whether two URLs have scheme, host and port in common."""
    return one.scheme == other.scheme and one.host == other.host and one.port == other.port


def shown(url: httpx.URL) -> str:
    """Return a URL without the password and the secret parameters it may hold."""
    pairs = url.params.multi_items()
    if any(is_secret_name(name) for name, _ in pairs):
        url = url.copy_with(params=[(name, "***" if is_secret_name(name) else value) for name, value in pairs])
    return str(url.copy_with(userinfo=b""))


def _method(name: str) -> str:
    method = name.upper()
    if not TOKEN.fullmatch(method) or method == "CONNECT":
        raise InvalidPayload(
            f"{name!r} is not a method.", field="payload.method", remedy="Use one such as GET or POST."
        )
    return method


def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidPayload(f"{error}.", field="payload.url", remedy="Give a whole http or https URL.") from None
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65_536:
        raise InvalidPayload(
            "Not a whole http or https URL.", field="payload.url", remedy="Write it as https://host/path."
        )
    return url


def _with_params(url: httpx.URL, params: dict[str, Any]) -> httpx.URL:
    for name, value in params.items():
        if not _is_param(value):
            raise InvalidPayload(
                "Not a text, a number, true, false, null or a list of these.",
                field=f"payload.params.{name}",
                remedy="Give the parameter as text.",
            )
    try:
        return url.copy_merge_params(params) if params else url
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidPayload(f"{error}.", field="payload.params", remedy="Give short, valid text.") from None


def _is_param(value: Any) -> bool:
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, str | int | float) for item in values)


def _header_name(name: str) -> bytes:
    if not TOKEN.fullmatch(name):
        raise InvalidPayload(
            f"{name!r} is not the name of a header.", field="payload.headers", remedy="Use letters, digits and '-'."
        )
    if name.lower() in FRAMING_HEADERS:
        raise InvalidPayload(
            "This header follows from the connection and the body.",
            field=f"payload.headers.{name}",
            remedy="Leave it out.",
        )
    return name.encode("ascii")


def _header_value(name: str, value: Any) -> bytes:
    # the value may be a secret, so no message repeats it
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        problem = "Not a text or a number."
    elif CONTROL.search(str(value)):
        problem = "Holds a line break or another control character."
    else:
        try:
            return str(value).strip(" \t").encode()
        except UnicodeEncodeError:
            problem = "Not valid Unicode."
    raise InvalidPayload(problem, field=f"payload.headers.{name}", remedy="Give one line of text.")
