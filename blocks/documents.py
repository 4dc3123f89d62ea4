"""The blocks that a Prefect server has: read, written and deleted. All raise what the Prefect client raises.

They are for the context of a connection, whose settings name the server.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import ValidationError

from blocks.llm_provider import LLMProvider
from blocks.ollama_host import OllamaHost
from vera_orchestrator.errors import VeraError
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker

WorkerBlock = LLMProvider | OllamaHost
KINDS: tuple[type[WorkerBlock], ...] = (LLMProvider, OllamaHost)
NOT_FOUND = 404
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A block that the server has, and the worker that it describes, not started."""

    document_id: UUID
    name: str
    block: WorkerBlock
    worker: BaseWorker


async def read_blocks(config: OrchestratorConfig) -> list[Stored]:
    """Return all blocks that describe workers, by name; one that cannot be used is logged and left out."""
    async with get_client() as client:
        found = [stored for kind in KINDS for stored in await _stored(client, kind, config)]
    return sorted(found, key=lambda stored: stored.name)


async def save_provider(worker_id: str, provider: LLMProvider, config: OrchestratorConfig) -> None:
    """Write the block of a worker, over an earlier one of the same worker, whatever that is called."""
    async with get_client() as client:
        earlier = await _of_worker(client, worker_id, config)
        # a copy, as a saved block remembers the server that it was saved on
        await provider.model_copy().asave(
            earlier[0].name if earlier else document_name(worker_id), overwrite=True, client=client
        )


async def delete_provider(worker_id: str, config: OrchestratorConfig) -> None:
    """Delete the blocks of a worker, if there are any."""
    async with get_client() as client:
        for stored in await _of_worker(client, worker_id, config):
            await client.delete_block_document(stored.document_id)


def document_name(worker_id: str) -> str:
    """Return the name of a worker's block: its id, as far as the letters, digits and dashes of such names allow."""
    slug = re.sub("[^a-z0-9]+", "-", worker_id.lower()).strip("-")
    if slug == worker_id:
        return slug
    return f"{slug}-{hashlib.sha256(worker_id.encode()).hexdigest()[:10]}".lstrip("-")


async def _of_worker(client: PrefectClient, worker_id: str, config: OrchestratorConfig) -> list[Stored]:
    return [one for one in await _stored(client, LLMProvider, config) if one.worker.worker_id == worker_id]


async def _stored(client: PrefectClient, kind: type[WorkerBlock], config: OrchestratorConfig) -> list[Stored]:
    try:
        documents = await client.read_block_documents_by_type(kind.get_block_type_slug(), include_secrets=True)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != NOT_FOUND:
            raise
        return []  # nobody has saved one yet
    return [stored for document in documents if (stored := _understood(document, kind, config)) is not None]


def _understood(document: BlockDocument, kind: type[WorkerBlock], config: OrchestratorConfig) -> Stored | None:
    try:
        block = kind.model_validate(document.data)
        worker = block.worker(config)
    except (ValidationError, VeraError) as error:
        logger.warning("the block %s/%s cannot be used: %s", kind.get_block_type_slug(), document.name, _text(error))
        return None
    return Stored(document_id=document.id, name=document.name or "", block=block, worker=worker)


def _text(error: ValidationError | VeraError) -> str:
    """Say what is wrong without what was given, which may be a key."""
    if isinstance(error, VeraError):
        return str(error)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
