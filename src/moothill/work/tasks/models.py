"""What goes in and out of tasks. Shares are exact decimals from 0 to 1, durations say their unit."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ...kernel.errors import near_match
from ...kernel.texts import AgentReference, JsonObject, Label, Line, LongName, Moment, Prose, Share, id_of

Status = Literal[
    "pending",
    "blocked",
    "scheduled",
    "assigned",
    "in_progress",
    "waiting",
    "paused",
    "retry",
    "completed",
    "failed",
    "cancelled",
    "archived",
]
PriorityName = Literal["critical", "high", "normal", "low", "background"]
PRIORITIES: tuple[str, ...] = get_args(PriorityName)
"""From first to last; stored as the place in this list."""
ExecutionMode = Literal["auto", "supervised", "dry-run", "manual"]
DependencyType = Literal["blocks", "optional", "soft"]
AttemptOutcome = Literal["completed", "failed", "lost", "timed_out", "released", "waiting", "cancelled", "running"]
AgentType = Literal["team-leader", "worker", "collaborator", "coordinator", "monitor", "specialist"]

MOST_TASKS = 100_000
MOST_ATTEMPTS = 1_000


def _known(value: Any) -> Any:
    if isinstance(value, str) and value not in PRIORITIES:
        hint = near_match(value.strip().lower(), PRIORITIES)
        raise ValueError(f"there is no priority {value[:60]!r}.{hint or ' They are ' + ', '.join(PRIORITIES) + '.'}")
    return value


Priority = Annotated[PriorityName, BeforeValidator(_known)]
TaskReference = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, UUID) else value),
    Field(min_length=1, max_length=255, description="Your own key of it (`task_id`) or its id."),
]
QueueName = Annotated[Label, Field(description="Name of the queue.")]
Token = Annotated[UUID, Field(description="Token of the attempt, as `tasks.claim` gave it.")]
Reason = Annotated[str, Field(min_length=1, max_length=1000, description="Why; kept with the task and its events.")]
Result = Annotated[JsonObject | None, Field(description="What came out of it, at most 64 KiB of JSON.")]
Quality = Annotated[Share | None, Field(description="How good the result is, 0 to 1.")]
Used = Annotated[int, Field(ge=0, le=2_147_483_647)]
ErrorText = Annotated[Prose, Field(min_length=1, description="What went wrong, for people.")]


def _no_id(value: str) -> str:
    if id_of(value) is not None:
        raise ValueError("has the form of an id, and would be taken for that task; choose another")
    return value


OwnKey = Annotated[Line, AfterValidator(_no_id)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# ---------------------------------------------------------------- in


class SkillNeed(_Input):
    """A skill that whoever takes a task needs."""

    name: Label = Field(description="Name of the skill.")
    minimum: int = Field(1, ge=0, le=10, description="Least proficiency, 0 to 10; 8 is expert.")


class Requirements(_Input):
    """Who may take a task; all of it must hold. Without any, everybody may."""

    skills: Annotated[list[SkillNeed], Field(max_length=20)] = Field(
        default_factory=list, description="Skills that the agent needs."
    )
    capability: LongName | None = Field(None, description="A capability that it needs, by its name.")
    agent_type: AgentType | None = Field(None, description="The type that it has to be of.")
    agent: AgentReference | None = Field(None, description="The only agent to whom it is given.")


class RetryPolicy(_Input):
    """How long to wait before the next attempt."""

    base: float = Field(5, ge=0, le=86_400, description="After the first failure, seconds.")
    factor: float = Field(2, ge=1, le=10, description="By which each further failure multiplies it.")
    most: float = Field(3600, ge=0, le=604_800, description="Never longer than this, seconds.")


class Dependency(_Input):
    """A task that has to end first."""

    task: TaskReference = Field(description="Its `name` in this call, your own key of it, or its id.")
    type: DependencyType = Field(
        "blocks",
        description="blocks: it has to complete; optional: it has to end, however; soft: its result is given if "
        "there is one, and nobody waits.",
    )


Waits = Annotated[
    list[TaskReference],
    Field(max_length=1000, description="Tasks that have to complete first: their `name` in this call, key or id."),
]
Dependencies = Annotated[
    list[Dependency], Field(max_length=1000, description="Likewise, where it need not complete, or nobody waits.")
]


class TaskDetails(_Input):
    """What else may be said of a task."""

    description: Prose = Field("", description="What is to be done, in prose.")
    group: Annotated[str, Field(max_length=100)] = Field("", description="The group in the queue that it shares with.")
    requirements: Requirements = Field(default_factory=Requirements, description="Who may take it.")
    risk_tier: int = Field(2, ge=1, le=3, description="1 (highest risk) to 3.")
    execution_mode: ExecutionMode = Field("auto", description="What its holder may do by itself.")
    complexity: Annotated[Label, Field(max_length=50)] | None = Field(None, description="How hard it is.")
    constraints: JsonObject = Field(default_factory=dict, description="What its holder has to keep to.")
    budget_files: Used | None = Field(None, description="How many files it may change.")
    budget_lines: Used | None = Field(None, description="How many lines it may change.")
    estimated_ms: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = Field(
        None, description="How long it should take, milliseconds."
    )
    due_at: Moment | None = Field(None, description="Not before this time.")
    deadline: Moment | None = Field(None, description="When it has to have ended; it fails then.")
    timeout_seconds: int | None = Field(None, ge=1, le=2_592_000, description="How long one attempt may take.")
    max_attempts: int = Field(3, ge=1, le=100, description="How many attempts may fail before it does.")
    retry: RetryPolicy | None = Field(None, description="How long to wait before the next attempt.")
    tags: Annotated[list[Label], Field(max_length=50)] = Field(default_factory=list, description="Labels.")
    metadata: JsonObject = Field(default_factory=dict, description="Anything else, at most 64 KiB of JSON.")
    parent: TaskReference | None = Field(None, description="The task whose holder adds it.")
    unique_key: Annotated[Line | None, Field(description="While it holds, the task that has it is given instead.")] = (
        None
    )
    unique_seconds: int | None = Field(
        None, ge=1, le=31_536_000, description="How long the key holds; default: as long as the task lives."
    )


class NewTask(TaskDetails):
    """A task to be added."""

    title: LongName = Field(description="What it is about, in a line.")
    kind: Label = Field("task", description="What sort of work it is; a worker's handlers go by it.")
    payload: JsonObject = Field(default_factory=dict, description="What its holder works on.")
    priority: Priority = Field("normal", description="How urgent it is.")
    queue: QueueName = "default"
    task_id: OwnKey | None = Field(None, description="Your own key for it, unique in the tenant.")
    depends_on: Waits = Field(default_factory=list)
    dependencies: Dependencies = Field(default_factory=list)
    name: Label | None = Field(None, description="Its name within this call, for `depends_on` of others.")


class TaskRecord(NewTask):
    """A task with what became of it elsewhere."""

    status: Status = Field("pending", description="Where it stands; blocked and scheduled follow from the rest.")
    agent: AgentReference | None = Field(None, description="The agent that holds it, or held it last.")
    attempts: int = Field(0, ge=0, le=1_000_000, description="How often it was handed out.")
    created_at: Moment | None = Field(None, description="When it was added; default: now.")
    started_at: Moment | None = Field(None, description="When its holder began.")
    ended_at: Moment | None = Field(None, description="When it ended; default, for one that has: now.")
    result: Result = None
    quality: Quality = None
    note: Reason | None = None


class AttemptReference(_Input):
    """An attempt that holds a task."""

    task: UUID = Field(description="Id of the task.")
    token: Token


class Completion(AttemptReference):
    """A task that is done."""

    result: Result = None
    quality: Quality = None
    files_used: Used | None = Field(None, description="Files that were changed.")
    lines_used: Used | None = Field(None, description="Lines that were changed.")


class Failure(AttemptReference):
    """An attempt that failed."""

    error: ErrorText
    retryable: bool = Field(True, description="Whether another attempt might do better.")
    retry_seconds: float | None = Field(
        None, ge=0, le=2_592_000, description="Wait so long; default: as the task says."
    )


class TaskChanges(_Input):
    """Changes to a task; what is not given stays."""

    title: LongName | None = Field(None, description="What it is about.")
    description: Prose | None = Field(None, description="What is to be done.")
    payload: JsonObject | None = Field(None, description="What its holder works on, whole.")
    constraints: JsonObject | None = Field(None, description="What its holder has to keep to, whole.")
    metadata: JsonObject | None = Field(None, description="Anything else, whole.")
    priority: Priority | None = Field(None, description="How urgent it is.")
    deadline: Moment | None = Field(None, description="When it has to have ended.")
    due_at: Moment | None = Field(None, description="Not before this time; for a task that nobody has begun.")
    max_attempts: int | None = Field(None, ge=1, le=100, description="How many attempts may fail before it does.")
    tags: Annotated[list[Label], Field(max_length=50)] | None = Field(None, description="Labels, all of them.")


class TaskFilter(_Input):
    """Which tasks; all that is given must hold."""

    status: Status | None = Field(None, description="Only in this state.")
    queue: QueueName | None = None
    group: Annotated[str, Field(max_length=100)] | None = Field(None, description="Only of this group.")
    kind: Label | None = Field(None, description="Only of this kind.")
    priority: Priority | None = Field(None, description="Only of this priority.")
    agent: AgentReference | None = Field(None, description="Only held by this agent, now or at the end.")
    tag: Label | None = Field(None, description="Only with this label.")
    parent: TaskReference | None = Field(None, description="Only added by the holder of this task.")
    dead_letter: bool | None = Field(None, description="Only those that failed for good, or only the others.")
    text: Label | None = Field(None, description="Only with this in the title, in whatever case.")


# ---------------------------------------------------------------- out


class TaskSummary(_Frozen):
    """A task in a list."""

    id: UUID = Field(description="Id.")
    task_id: str | None = Field(description="Your own key.")
    title: str = Field(description="What it is about.")
    kind: str = Field(description="What sort of work it is.")
    queue: str = Field(description="The queue that it is in.")
    group: str = Field(description="The group that it shares with; empty: none.")
    priority: PriorityName = Field(description="How urgent it is.")
    status: Status = Field(description="Where it stands.")
    dead_letter: bool = Field(description="Whether it failed for good and waits for somebody to look at it.")
    attempt: int = Field(description="Number of its last attempt; 0: it was never handed out.")
    failures: int = Field(description="Attempts that failed or were lost.")
    max_attempts: int = Field(description="How many may fail before it does.")
    agent_id: UUID | None = Field(description="The agent that holds it, or held it last.")
    agent: str | None = Field(description="That agent's own key.")
    agent_name: str | None = Field(description="That agent's name.")
    worker_id: UUID | None = Field(description="The worker that holds it, or held it at the end.")
    created_at: datetime = Field(description="When it was added.")
    claimed_at: datetime | None = Field(description="When it was handed out.")
    started_at: datetime | None = Field(description="When its holder began.")
    ended_at: datetime | None = Field(description="When it ended.")
    due_at: datetime | None = Field(description="When it becomes pending.")
    deadline: datetime | None = Field(description="When it has to have ended.")
    blockers: int = Field(description="Tasks that it still waits for.")
    note: str | None = Field(description="Why it stands there.")
    tags: list[str] = Field(description="Labels.")
    version: int = Field(description="Rises with each change of what it says; `tasks.update` wants it.")


class Task(TaskSummary):
    """A task: what is to be done, where it stands, and what came out of it."""

    description: str = Field(description="What is to be done.")
    payload: JsonObject = Field(description="What its holder works on.")
    requirements: JsonObject = Field(description="Who may take it.")
    constraints: JsonObject = Field(description="What its holder has to keep to.")
    risk_tier: int = Field(description="1 (highest risk) to 3.")
    execution_mode: ExecutionMode = Field(description="What its holder may do by itself.")
    complexity: str | None = Field(description="How hard it is.")
    budget_files: int | None = Field(description="How many files it may change.")
    budget_lines: int | None = Field(description="How many lines it may change.")
    estimated_ms: int | None = Field(description="How long it should take, milliseconds.")
    actual_ms: int | None = Field(description="How long the attempt that ended it took, milliseconds.")
    timeout_seconds: int | None = Field(description="How long one attempt may take.")
    expires_at: datetime | None = Field(description="When the attempt ends if nobody keeps it.")
    retry: JsonObject | None = Field(description="How long to wait before the next attempt.")
    metadata: JsonObject = Field(description="Anything else.")
    parent_id: UUID | None = Field(description="The task whose holder added it.")
    created_by: UUID = Field(description="Who added it.")
    assigned_by: UUID | None = Field(description="Who gave it to its agent.")
    result: JsonObject | None = Field(description="What came out of it.")
    error: str | None = Field(description="What its last holder said went wrong.")
    quality: Decimal | None = Field(description="How good the result is, 0 to 1.")
    files_used: int | None = Field(description="Files that were changed.")
    lines_used: int | None = Field(description="Lines that were changed.")
    has_dependents: bool = Field(description="Whether others wait for it.")
    cancel_asked_at: datetime | None = Field(description="Since when its holder is asked to stop.")
    archived_at: datetime | None = Field(description="When it was put away.")
    updated_at: datetime = Field(description="When what it says last changed.")


class EnqueueReport(_Frozen):
    """What a call added."""

    created: int = Field(description="New tasks.")
    known: int = Field(description="Tasks that were there under the same unique key.")
    blocked: int = Field(description="New ones that wait for others.")
    scheduled: int = Field(description="New ones that wait for their time.")
    ids: list[UUID] = Field(description="Ids, in the order of the call.")


class ParentResult(_Frozen):
    """What a task left to one that depends on it."""

    id: UUID = Field(description="Id of the task.")
    task_id: str | None = Field(description="Your own key of it.")
    status: Status = Field(description="How it ended.")
    result: JsonObject | None = Field(description="What came out of it.")


class ClaimedTask(_Frozen):
    """A task that was handed out, with all that its holder needs."""

    id: UUID = Field(description="Id.")
    task_id: str | None = Field(description="Your own key.")
    token: UUID = Field(description="Say it with everything you report; who says another is refused.")
    attempt: int = Field(description="Number of this attempt.")
    failures: int = Field(description="Attempts that failed before.")
    title: str = Field(description="What it is about.")
    description: str = Field(description="What is to be done.")
    kind: str = Field(description="What sort of work it is.")
    queue: str = Field(description="The queue.")
    priority: PriorityName = Field(description="How urgent it is.")
    payload: JsonObject = Field(description="What to work on.")
    constraints: JsonObject = Field(description="What to keep to.")
    risk_tier: int = Field(description="1 (highest risk) to 3.")
    execution_mode: ExecutionMode = Field(description="What you may do by yourself.")
    budget_files: int | None = Field(description="How many files you may change.")
    budget_lines: int | None = Field(description="How many lines you may change.")
    deadline: datetime | None = Field(description="When it has to have ended.")
    expires_at: datetime | None = Field(description="When the attempt ends if you do not keep it by `tasks.heartbeat`.")
    parents: list[ParentResult] = Field(default_factory=list, description="What the tasks that it waited for left.")
    answers: list[JsonObject] = Field(default_factory=list, description="What was answered while it waited.")


class AttemptReport(_Frozen):
    """What became of an attempt that was reported."""

    task: UUID = Field(description="Id of the task.")
    accepted: bool = Field(description="Whether the attempt held the task; otherwise nothing was changed.")
    status: Status | None = Field(description="Where the task stands now; null: there is none of this id.")
    why: str | None = Field(description="Why it was refused.")


class TaskStep(_Frozen):
    """Something that the holder of a task did for good."""

    name: str = Field(description="What was done.")
    result: JsonObject = Field(description="What came out of it.")
    attempt: int = Field(description="The attempt that did it.")
    recorded_at: datetime = Field(description="When.")


class RecordedStep(TaskStep):
    """A step as it counts from now on."""

    created: bool = Field(description="Whether this call recorded it; false: it had been, and the first result counts.")


class KeptAttempt(_Frozen):
    """Whether an attempt still holds its task."""

    task: UUID = Field(description="Id of the task.")
    held: bool = Field(description="Whether it does; if not, stop.")
    cancel: bool = Field(description="Whether you are asked to stop: report `tasks.fail`, and it is cancelled.")
    why: str | None = Field(description="Why it is not held, or why you are asked to stop.")
    expires_at: datetime | None = Field(description="Until when it is kept without another heartbeat.")


class TaskAttempt(_Frozen):
    """An attempt at a task."""

    attempt: int = Field(description="Its number.")
    outcome: AttemptOutcome = Field(description="How it ended; running: it has not.")
    agent_id: UUID | None = Field(description="The agent that held the task.")
    agent: str | None = Field(description="That agent's own key.")
    worker_id: UUID | None = Field(description="The worker that held it.")
    claimed_at: datetime | None = Field(description="When the task was handed out.")
    started_at: datetime | None = Field(description="When its holder began.")
    ended_at: datetime | None = Field(description="When it ended.")
    error: str | None = Field(description="What its holder said.")
    note: str | None = Field(description="Why it was taken from its holder.")


class TaskDependency(_Frozen):
    """A task that another waits for, or that waits for it."""

    id: UUID = Field(description="Id of the other task.")
    task_id: str | None = Field(description="Your own key of it.")
    title: str = Field(description="What it is about.")
    status: Status = Field(description="Where it stands.")
    type: DependencyType = Field(description="How it waits.")
    met: bool = Field(description="Whether it holds nobody up.")


class WaitingReason(_Frozen):
    """One thing that keeps a task from being handed out."""

    what: Literal[
        "dependency",
        "time",
        "pause",
        "limit",
        "rate",
        "skill",
        "capability",
        "agent",
        "answer",
        "holder",
        "turn",
        "ended",
    ] = Field(description="Of what sort it is.")
    text: str = Field(description="In a sentence, with what to do about it.")
    task: UUID | None = Field(None, description="The task that it waits for.")
    until: datetime | None = Field(None, description="When that ends by itself.")


class QueueSummary(_Frozen):
    """Live tasks of a state and a priority: a row of `v_task_queue_summary`."""

    queue: str = Field(description="The queue.")
    status: Status = Field(description="Where they stand.")
    priority: PriorityName = Field(description="How urgent they are.")
    tasks: int = Field(description="How many.")
    average_wait_seconds: float = Field(description="How long they have been there on average, seconds.")
    longest_wait_seconds: float = Field(description="And the longest, seconds.")


class Throughput(_Frozen):
    """What was done in a span of time."""

    starts_at: datetime = Field(description="Beginning of the span.")
    completed: int = Field(description="Tasks that were completed.")
    failed: int = Field(description="Tasks that failed for good.")
    cancelled: int = Field(description="Tasks that were cancelled.")
    average_ms: int | None = Field(description="How long a completed one took on average, milliseconds.")


class NextDue(_Frozen):
    """When a task becomes due."""

    at: datetime | None = Field(description="When the next one does; null: none within the hour.")
    now: datetime = Field(description="What the clock of the database says.")


class TenantWithWork(_Frozen):
    """A tenant that has something to hand out."""

    id: UUID = Field(description="Its id.")
    slug: str = Field(description="Its slug.")
    queues: list[str] = Field(description="Queues that may hold something.")


class SweepReport(_Frozen):
    """What time did to tasks."""

    due: int = Field(description="Became pending.")
    lost: int = Field(description="Taken from workers that fell silent.")
    timed_out: int = Field(description="Taken from holders whose time was up.")
    overdue: int = Field(description="Failed, as their deadline passed.")
