"""The suite of the adapters for language models.

A subclass provides the fixtures `adapter`, one whose provider is the simulator, and `simulator`, and says what its
provider cannot do.
"""

from __future__ import annotations

from tests.conformance.llm_answers import AnswerSuite
from tests.conformance.llm_streams import StreamSuite
from tests.conformance.llm_trouble import TroubleSuite


class AdapterSuite(AnswerSuite, StreamSuite, TroubleSuite):
    """Everything that an adapter promises."""
