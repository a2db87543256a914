"""What was measured here beside what is advised, and whether the two agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .advice import MEMORY, SPEED, Advice
from .comparison import Comparison
from .records import Run

AGREE, DISAGREE, UNSURE, UNKNOWN = "agree", "disagree", "unsure", "unknown"
RECOVERIES = ("recover", "kd")
_KIND = {"struct": "quant", "combo": "combo"}
_ALLOWED = {"steady": 0.005, "point": 0.01, "more": 0.05}
"""Lost accuracy, as a share, for each answer of the person."""


@dataclass(frozen=True)
class Evidence:
    """The best that a family was measured to do. name: the sequence of methods; more is better where `rising`."""

    family: str
    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """question: what was asked of every family; rows: one for each family that has an answer, the best first."""

    question: str
    rising: bool
    rows: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """outcome: AGREE, DISAGREE, UNSURE where chance may decide, UNKNOWN where too little was measured."""

    outcome: str
    sentence: str


def family_of(methods: Iterable[str]) -> str:
    """The family of a sequence of methods; what only lets the network recover does not count. "" for none."""
    families = [method.split(".")[0] for method in methods]
    own = list(dict.fromkeys(_KIND.get(f, f) for f in families if f not in RECOVERIES))
    if not own:
        return "kd" if "kd" in families else ""
    return own[0] if len(own) == 1 else "combo"


def measured_for(advice: Advice, comparison: Comparison | None, runs: Iterable[Run] = ()) -> Measured:
    """What was measured of the goal: accuracy at equal bytes, or multiply-adds within the accuracy that may go."""
    if advice.needs.goal == SPEED:
        return fewest_macs(runs, _ALLOWED[advice.needs.loss])
    return at_equal_bytes(comparison)


def at_equal_bytes(comparison: Comparison | None) -> Measured:
    """The best accuracy of every family at the ratio at which most families have one; a higher ratio where several."""
    if comparison is None or not comparison.at_bytes:
        return Measured("accuracy at equal bytes", True)
    families = {curve.name: family_of(curve.methods) for curve in comparison.curves}
    rows = []
    for row in comparison.at_bytes:
        found: dict[str, Evidence] = {}
        for name, bound in row.answers.items():
            family = families.get(name, "")
            if family and bound.value is not None and bound.low is not None and bound.high is not None:
                one = Evidence(family, name, bound.value, bound.low, bound.high)
                found[family] = max(found.get(family, one), one, key=lambda e: e.value)
        rows.append((len(found), comparison.dense_bytes / row.at, row.question, found))
    _, _, question, best = max(rows, key=lambda row: row[:2])
    return Measured(question, True, tuple(sorted(best.values(), key=lambda e: -e.value)))


def fewest_macs(runs: Iterable[Run], lost: float) -> Measured:
    """The fewest multiply-adds of every family among runs that lose at most `lost`, a share, against the dense one."""
    runs = list(runs)
    question = f"multiply-adds at {100 * lost:g} points lost at most"
    dense = next((run.measurement.accuracy.accuracy for run in runs if not run.recipe.steps), None)
    if dense is None:
        return Measured(question, False)
    found: dict[str, Evidence] = {}
    for run in runs:
        family, macs = family_of(step.method for step in run.recipe.steps), float(run.measurement.macs)
        if family and run.measurement.accuracy.accuracy >= dense - lost - 1e-9:
            one = Evidence(family, " + ".join(step.method for step in run.recipe.steps), macs, macs, macs)
            found[family] = min(found.get(family, one), one, key=lambda e: e.value)
    return Measured(question, False, tuple(sorted(found.values(), key=lambda e: e.value)))


def missing(goal: str) -> str:
    """What the goal is about and nobody measures here, as a sentence, or ""."""
    return "Memory while it runs is not measured here; the bytes of the file stand for it." if goal == MEMORY else ""


def verdict(advice: Advice, measured: Measured, titles: dict[str, str]) -> Verdict:
    """Whether the first way that is advised is of the family that did best here. titles: family id -> name."""
    if not advice.best:
        return Verdict(UNKNOWN, "Nothing is advised for these answers.")
    first = advice.best[0].way
    mine = next((row for row in measured.rows if row.family == first.family), None)
    title = titles.get(first.family, first.family)
    if mine is None:
        return Verdict(
            UNKNOWN, f"{title} is advised and was not measured here at a comparable point; set the step and see."
        )
    if len(measured.rows) == 1:
        return Verdict(
            UNKNOWN, f"Only {title} was measured here at a comparable point; measure another family to compare."
        )
    best = measured.rows[0]
    if best.family == mine.family:
        return Verdict(AGREE, f"Advice and measurement agree: {title} did best here ({measured.question}).")
    other = titles.get(best.family, best.family)
    apart = mine.high < best.low if measured.rising else mine.low > best.high
    if apart:
        return Verdict(DISAGREE, f"Advice and measurement disagree: {title} is advised, and {other} did better here "
                                 f"({measured.question}).")  # fmt: skip
    return Verdict(UNSURE, f"{title} is advised and {other} is ahead here, but the intervals overlap: more images are "
                           f"needed to tell ({measured.question}).")  # fmt: skip
