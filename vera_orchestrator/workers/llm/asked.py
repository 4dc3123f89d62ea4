"""What one task asks of a model, ready to be sent."""

from __future__ import annotations

from dataclasses import dataclass

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.money import to_nanos
from vera_orchestrator.payloads import LLMPayload
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.workers.llm.bounds import capped, is_by_the_list, output_bound
from vera_orchestrator.workers.llm.calls import build_call, build_embedding
from vera_orchestrator.workers.llm.costs import Costs
from vera_orchestrator.workers.llm.fetched import unbounded_field
from vera_orchestrator.workers.llm.forms import EmbeddingCall, LLMCall


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call, and the most tokens that its output has; `unbounded` is a field whose share of the input is not known."""

    call: LLMCall | EmbeddingCall
    output: int
    stream: bool = False
    unbounded: str | None = None

    @classmethod
    def of(
        cls, payload: LLMPayload, model: str, *, output_tokens: int, cap: bool, fetches_files: bool = False
    ) -> Asked:
        """Return what a payload asks of a model; with `cap` it is held to the bound. Raises InvalidPayload.

        `fetches_files` is the adapter's.
        """
        is_embedding = payload.kind == "embedding"
        call = build_embedding(payload, model) if is_embedding else build_call(payload, model)
        unbounded = unbounded_field(call, fetches_files=fetches_files)
        if cap and unbounded is not None:
            raise _not_bounded(unbounded)
        if isinstance(call, EmbeddingCall):
            return cls(call=call, output=0, unbounded=unbounded)
        bound = output_bound(call, output_tokens)
        if cap:
            call = capped(call, output_tokens)
        return cls(call=call, output=bound, stream=payload.stream, unbounded=unbounded)

    def amounts(self, costs: Costs, tokens_per_image: int) -> Amounts:
        """Return the most that it uses; its cost is None where it is not known.

        That is where the price is not known or not by the token, or the size of the input is not known.
        """
        bound = self.call.input_bound(tokens_per_image)
        by_the_list = not isinstance(self.call, LLMCall) or is_by_the_list(self.call)
        is_known = by_the_list and self.unbounded is None
        most = costs.most(self.call.model, bound, self.output) if is_known else None
        return Amounts(tokens=bound + self.output, cost=None if most is None else to_nanos(most))


def _not_bounded(field: str) -> InvalidPayload:
    error = InvalidPayload(
        "How large it is shows only at the provider, and limits of tokens or cost hold.",
        field=field,
        remedy="Give the content itself, or send it where no such limits hold.",
    )
    error.elsewhere = True  # the limits may be those of one key
    return error
