"""What one task asks of a model, ready to be sent."""

from __future__ import annotations

from dataclasses import dataclass

from vera_orchestrator.money import to_nanos
from vera_orchestrator.payloads import LLMPayload
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.workers.llm.bounds import capped, is_by_the_list, output_bound
from vera_orchestrator.workers.llm.calls import build_call, build_embedding
from vera_orchestrator.workers.llm.costs import Costs
from vera_orchestrator.workers.llm.forms import EmbeddingCall, LLMCall


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call, and the most tokens that its output has."""

    call: LLMCall | EmbeddingCall
    output: int
    stream: bool = False

    @classmethod
    def of(cls, payload: LLMPayload, model: str, *, output_tokens: int, cap: bool) -> Asked:
        """Return what a payload asks of a model; with `cap` it is held to the bound. Raises InvalidPayload."""
        if payload.kind == "embedding":
            return cls(call=build_embedding(payload, model), output=0)
        call = build_call(payload, model)
        bound = output_bound(call, output_tokens)
        return cls(call=capped(call, output_tokens) if cap else call, output=bound, stream=payload.stream)

    def amounts(self, costs: Costs, tokens_per_image: int) -> Amounts:
        """Return the most that it uses; its cost is None where the price is not known or is not by the token."""
        bound = self.call.input_bound(tokens_per_image)
        by_the_list = not isinstance(self.call, LLMCall) or is_by_the_list(self.call)
        most = costs.most(self.call.model, bound, self.output) if by_the_list else None
        return Amounts(tokens=bound + self.output, cost=None if most is None else to_nanos(most))
