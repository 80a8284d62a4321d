"""What a report says, from what an erasure counted."""

import json
from collections.abc import Mapping
from typing import Any

from .models import UnderWay

__all__ = ["FORMAT", "body_of", "words_of"]

FORMAT = "moothill-erasure-report/1"


def body_of(done: UnderWay, destroyed: Mapping[str, int]) -> dict[str, Any]:
    """The body of the report of an erasure, for canonical JSON: no number beyond 2**53, no float."""
    return {
        "format": FORMAT,
        "number": (done.last_number or 0) + 1,
        "kind": "tenant" if done.agent is None else "agent",
        "tenant": str(done.owner),
        "agent": None if done.agent is None else str(done.agent),
        "asked_by": done.asked_by,
        "reason": done.reason,
        "began_at": done.began_at.isoformat(),
        "ended_at": done.moment.isoformat(),
        "removed": dict(sorted(done.counts.items())),
        "kept": dict(sorted(done.kept.items())),
        "not_searched": _not_searched(done),
        "destroyed": dict(sorted(destroyed.items())),
        "previous": done.last_digest,
    }


def _not_searched(done: UnderWay) -> list[str]:
    """Where a name may stand that nobody looked for: what is sealed is gone through by ids alone."""
    if done.agent is None:
        return ["sealed content of other tenants"]
    return ["sealed content"] if done.seals else []


def words_of(done: UnderWay) -> list[str]:
    """How an archived row names an erased agent: by an id of what was its own, or by its key as a JSON text."""
    words = [f'"{thing}"' for thing in done.things]
    if done.agent_key is not None:
        words.append(f'"agent_id": {json.dumps(done.agent_key, ensure_ascii=False)}')
    return words
