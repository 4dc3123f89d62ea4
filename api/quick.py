"""The usual way of a request with a JSON body, past the steps that FastAPI takes for requests of any form."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.body import BodyTooLarge
from api.callers import caller_of
from api.endpoints.common import running
from api.guard import GuardedRoute, Handler
from api.hosting import get_orchestrator
from api.submitting import HEADER

JSON = "application/json"
GIVEN = frozenset({"request", "caller", "body", "orchestrator", "key"})


class QuickRoute(GuardedRoute):
    """A guarded route whose endpoint takes what is in GIVEN; `body` is one model, `key` the idempotency key.

    What is in any way unusual, or does not fit, goes through FastAPI: so its errors are the same as everywhere.
    """

    def unguarded(self) -> Handler:
        """See GuardedRoute."""
        usual = super().unguarded()
        if self.dependencies:  # the host's own, which only FastAPI knows how to ask
            return usual
        endpoint, wanted = self.endpoint, inspect.signature(self.endpoint).parameters.keys()
        model = None if self.body_field is None else self.body_field.field_info.annotation
        if not (wanted <= GIVEN and isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{self.name} takes something that only FastAPI can give.")

        async def quick(request: Request) -> Response:
            headers = request.headers
            if headers.get("content-type") != JSON or HEADER in headers or request.app.dependency_overrides:
                return await usual(request)
            try:
                body = model.model_validate(await request.json())
            except (ValueError, RecursionError, ClientDisconnect, BodyTooLarge):  # pydantic's is a ValueError
                return await usual(request)
            given: dict[str, Any] = {"request": request, "caller": caller_of(request), "body": body}
            given["orchestrator"] = running(await get_orchestrator(request))
            answer: Response = await endpoint(**{name: given[name] for name in wanted if name in given})
            return answer

        return quick
