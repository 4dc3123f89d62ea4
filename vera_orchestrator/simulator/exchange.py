"""The way of one request: arrive, check the key, read, admit, answer, send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from vera_orchestrator.simulator.answers import answer_to
from vera_orchestrator.simulator.conversation import Asked, Talk
from vera_orchestrator.simulator.faults import Refused, check_key
from vera_orchestrator.simulator.form import FormT, parsed
from vera_orchestrator.simulator.settings import OK, Fault, Outcome
from vera_orchestrator.simulator.simulator import Ended, Limits, Simulator
from vera_orchestrator.simulator.wire import MALFORMED, Frame, Paced, frames_before_fault, json_bytes

JSON = "application/json"
_CHANGES_THE_ANSWER = frozenset({Fault.EMPTY, Fault.FILTERED})


class Shape(Protocol):
    """What is a provider's own."""

    name: str
    stream_type: str

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """Return the key of a request, "" for none; None where the provider never asks for one."""
        ...

    def error(self, refused: Refused, number: int) -> dict[str, Any]:
        """Return the body of an error."""
        ...

    def headers(self, number: int, limits: Limits | None) -> dict[str, str]:
        """Return the provider's own response headers."""
        ...

    def frame(self, value: dict[str, Any]) -> bytes:
        """Return an error's body as it appears within a stream."""
        ...

    def broken_frame(self) -> bytes:
        """Return a part of a stream that cannot be read."""
        ...


class Exchange:
    """Requests in one provider's shape."""

    def __init__(self, simulator: Simulator, shape: Shape) -> None:
        self.simulator = simulator
        self._shape = shape

    async def answer(
        self,
        request: Request,
        form: type[FormT],
        read: Callable[[FormT], Asked],
        whole: Callable[[Talk, FormT], dict[str, Any]],
        frames: Callable[[Talk, FormT], Sequence[Frame]] | None = None,
    ) -> Response:
        """Answer a request that costs something: `read` its form, then write it `whole` or in `frames`."""
        number = self.simulator.arrived(self._shape.name, request.url.path)
        try:
            body = await self._form(request, form, number)
            asked = read(body)
            turn, outcome = self.simulator.admit(asked)
        except Refused as refused:
            return self._refusal(refused, number)
        settings = self.simulator.settings
        talk = Talk(
            asked=asked,
            answer=answer_to(settings, asked, turn, outcome),
            number=number,
            at=self.simulator.now(),
        )
        self.simulator.note(number, usage=talk.answer.usage)
        if settings.latency:
            await self.simulator.sleep(settings.latency)
        if asked.stream and frames is not None:
            return self._streamed(frames(talk, body), outcome, number)
        return self._whole(whole(talk, body), outcome, number, len(talk.answer.pieces))

    async def look(self, request: Request, value: Callable[[], dict[str, Any]], *, listing: bool = False) -> Response:
        """Answer a request that costs nothing; `value` may raise Refused. Lists have a status that can be set."""
        number = self.simulator.arrived(self._shape.name, request.url.path)
        try:
            self._check_key(request)
            status = self.simulator.settings.list_status
            if listing and status >= 400:
                raise Refused(status, "there are no lists here")
            body = json_bytes(value())
        except Refused as refused:
            return self._refusal(refused, number)
        self.simulator.note(number, ended=Ended.ANSWERED)
        return Response(body, headers=self._headers(number), media_type=JSON)

    async def _form(self, request: Request, form: type[FormT], number: int) -> FormT:
        self._check_key(request)
        body = parsed(await request.body(), form)
        self.simulator.note(number, body=await request.json())
        return body

    def _check_key(self, request: Request) -> None:
        key = self._shape.key(request.headers, request.query_params)
        if key is not None:
            check_key(self.simulator.settings, key)

    def _headers(self, number: int) -> dict[str, str]:
        return self._shape.headers(number, self.simulator.limits())

    def _refusal(self, refused: Refused, number: int) -> Response:
        self.simulator.note(number, status=refused.status, ended=Ended.REFUSED)
        headers = self._headers(number)
        if refused.retry_after is not None:
            headers["retry-after"] = f"{refused.retry_after:g}"
        return Response(json_bytes(self._shape.error(refused, number)), refused.status, headers, JSON)

    def _streamed(self, frames: Sequence[Frame], outcome: Outcome, number: int) -> Response:
        fault, last_words = _fault(outcome), b""
        if fault is not None:
            frames = frames[: frames_before_fault(frames, self.simulator.settings.cut_after)]
        if fault == Fault.MALFORMED:
            last_words = self._shape.broken_frame()
        elif fault == Fault.STREAM_ERROR:
            last_words = self._shape.frame(self._shape.error(Refused(529, "the stream broke"), number))
        return self._paced(frames, fault, number, last_words=last_words, media_type=self._shape.stream_type)

    def _whole(self, value: dict[str, Any], outcome: Outcome, number: int, tokens: int) -> Response:
        body, fault = json_bytes(value), _fault(outcome)
        sent = body
        if fault == Fault.MALFORMED:
            body = sent = MALFORMED
        elif fault in (Fault.CUT, Fault.STREAM_ERROR):
            fault, sent = Fault.CUT, body[: len(body) // 2]
        elif fault is not None:
            sent = b""
        frames = [Frame(data=sent, tokens=tokens)] if sent else []
        return self._paced(frames, fault, number, media_type=JSON, length=len(body))

    def _paced(
        self,
        frames: Sequence[Frame],
        fault: Fault | None,
        number: int,
        *,
        media_type: str,
        last_words: bytes = b"",
        length: int | None = None,
    ) -> Response:
        def told(ended: Ended, tokens: int) -> None:
            self.simulator.note(number, ended=ended, pieces=tokens)

        async def pause(tokens: int) -> None:
            if tokens and self.simulator.settings.token_latency:
                await self.simulator.sleep(tokens * self.simulator.settings.token_latency)

        headers = self._headers(number) | ({} if length is None else {"content-length": str(length)})
        return Paced(
            frames,
            told=told,
            pause=pause,
            fault=fault,
            last_words=last_words,
            status=OK,
            media_type=media_type,
            headers=headers,
        )


def _fault(outcome: Outcome) -> Fault | None:
    return outcome if isinstance(outcome, Fault) and outcome not in _CHANGES_THE_ANSWER else None
