"""The wire values of every enumeration."""

from enum import IntEnum, StrEnum


class TaskType(StrEnum):
    """What kind of work a task is."""

    TOOL_CALL = "tool_call"
    LLM_REQUEST = "llm_request"
    OLLAMA_REQUEST = "ollama_request"
    CODE_EXECUTION = "code_execution"
    BACKGROUND_COGNITION = "background_cognition"
    API_REQUEST = "api_request"
    DOCKER_TASK = "docker_task"
    REMOTE_COMPUTE = "remote_compute"
    PARALLEL_BATCH = "parallel_batch"
    CUSTOM = "custom"


class TaskStatus(StrEnum):
    """Where a task is in its life."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RATE_LIMITED = "rate_limited"
    WAITING_RESOURCES = "waiting_resources"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after this status."""
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


class TaskPriority(IntEnum):
    """How urgent a task is; the lower number goes first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    BACKGROUND = 4


class ChunkKind(StrEnum):
    """What a chunk of a stream holds."""

    TEXT = "text"
    TOOL_CALL = "tool_call"
    USAGE = "usage"
    END = "end"


class RoutingStrategy(StrEnum):
    """What decides between workers that could all run a task."""

    COST = "cost"
    LATENCY = "latency"
    LOAD = "load"
    ROUND_ROBIN = "round_robin"


class WorkerStatus(StrEnum):
    """What a worker is doing, as the router sees it."""

    OFFLINE = "offline"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    OVERLOADED = "overloaded"
    MAINTENANCE = "maintenance"
    ERROR = "error"


class WorkerCapability(StrEnum):
    """What a worker can do; workers and tasks may also use names of their own."""

    CODE_EXECUTION = "code_execution"
    PYTHON = "python"
    BASH = "bash"
    DOCKER = "docker"
    LLM_INFERENCE = "llm_inference"
    OLLAMA = "ollama"
    OPENAI_API = "openai_api"
    ANTHROPIC_API = "anthropic_api"
    GEMINI_API = "gemini_api"
    TOOL_EXECUTION = "tool_execution"
    WEB_BROWSING = "web_browsing"
    FILE_OPERATIONS = "file_operations"
    GPU = "gpu"
    HIGH_MEMORY = "high_memory"
    HIGH_CPU = "high_cpu"
    BACKGROUND_COGNITION = "background_cognition"
    API_REQUESTS = "api_requests"
    REMOTE_COMPUTE = "remote_compute"
    CUSTOM = "custom"
