"""The arithmetic of quality: measures of a ranked list, grades from feedback, reading judgements.

The measures are those of trec_eval, so that figures can be compared: nDCG with the grade itself as gain and
log2(rank + 1) as discount (Jaervelin and Kekaelaeinen, ACM TOIS 20(4), 2002), precision, recall and reciprocal rank
(Manning, Raghavan, Schuetze: Introduction to Information Retrieval, chapter 8). Relevant is a grade of 1 or more.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import orjson
from pydantic import ValidationError

from .models import JudgementProblem, NewJudgement, Verdict

__all__ = [
    "DEPTH",
    "MOST",
    "dcg",
    "grade",
    "grades",
    "ndcg",
    "percentile",
    "precision",
    "read_judgements",
    "recall",
    "reciprocal_rank",
]

T = TypeVar("T")

DEPTH = 10
# Judgements in one import.
MOST = 20_000
# What a session's verdicts on an item are worth: the strongest one counts, and a rejection beats all.
_WORTH: Mapping[str, int] = {"rejected": 0, "chosen": 3, "clicked": 1}
_STRENGTH = ("rejected", "chosen", "clicked")


def dcg(gains: Sequence[float], depth: int = DEPTH) -> float:
    """Discounted cumulative gain: the sum of gain / log2(rank + 1), ranks from 1."""
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:depth], 1))


def ndcg(found: Sequence[T], judged: Mapping[T, int], depth: int = DEPTH) -> float:
    """DCG over that of the best order; 0 where nothing is relevant. An item that is found twice counts once."""
    best = dcg(sorted(judged.values(), reverse=True), depth)
    return dcg([judged.get(each, 0) for each in dict.fromkeys(found)], depth) / best if best else 0.0


def precision(found: Sequence[T], judged: Mapping[T, int], depth: int = DEPTH) -> float:
    """Relevant hits among the first `depth`, of `depth`."""
    return _relevant(found, judged, depth) / depth


def recall(found: Sequence[T], judged: Mapping[T, int], depth: int = DEPTH) -> float:
    """Relevant hits among the first `depth`, of all that is relevant; 0 where nothing is."""
    every = sum(each > 0 for each in judged.values())
    return _relevant(found, judged, depth) / every if every else 0.0


def reciprocal_rank(found: Sequence[T], judged: Mapping[T, int], depth: int = DEPTH) -> float:
    """1 / rank of the first relevant hit among the first `depth`; 0 without one."""
    return next((1 / rank for rank, each in enumerate(found[:depth], 1) if judged.get(each, 0) > 0), 0.0)


def _relevant(found: Sequence[T], judged: Mapping[T, int], depth: int) -> int:
    return sum(judged.get(each, 0) > 0 for each in dict.fromkeys(found[:depth]))


def percentile(values: Sequence[float], share: float) -> float:
    """The value at or below which `share` of the values lie (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def grade(verdicts: Iterable[Verdict]) -> int:
    """What one search's feedback on an item says: rejected 0, else chosen 3, else clicked 1."""
    given = set(verdicts)
    return next(_WORTH[each] for each in _STRENGTH if each in given)


def grades(said: Mapping[T, Sequence[int]], least: int = 1) -> dict[T, int]:
    """A grade for each item, from what single searches say: their mean, halves rounded up.

    An item of which fewer than `least` searches say something has none. What nobody clicked says nothing: it may
    not have been looked at.
    """
    return {item: math.floor(sum(each) / len(each) + 0.5) for item, each in said.items() if len(each) >= least}


def read_judgements(content: str) -> tuple[list[tuple[int, NewJudgement]], list[JudgementProblem]]:
    """The judgements of a JSON Lines text with the numbers of their lines, and what is wrong with the others."""
    sound: list[tuple[int, NewJudgement]] = []
    problems: list[JudgementProblem] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        if len(sound) + len(problems) >= MOST:
            problems.append(JudgementProblem(line=number, problem=f"One import takes at most {MOST:,} lines."))
            break
        try:
            sound.append((number, NewJudgement.model_validate(orjson.loads(line))))
        except orjson.JSONDecodeError as error:
            problems.append(JudgementProblem(line=number, problem=f"no JSON: {error.msg}"))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "line"
            problems.append(JudgementProblem(line=number, problem=f"{where}: {first['msg']}"))
    return sound, problems
