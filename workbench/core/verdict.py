"""What the numbers of a card say, in words: was the criterion right about the unit?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .agreement import Agreement, LayerAgreement
from .units import Fate, Neighbour, Truth, UnitCard

UNKNOWN, RIGHT, WRONG, FREE, LUCKY = "unknown", "right", "wrong", "free", "lucky"
ALIKE = 0.8
"""Two units whose likeness is at least this are said to answer to the same."""
_CLEARLY = 2.0
"""A loss that is so many times another one is clearly larger."""
_VISIBLE = 0.0005
"""A change of the loss, in nats, that does not read as 0.000."""
_MOST_TIED = 3


class Verdict(NamedTuple):
    """judgement, summary: sentences. kind: right, wrong or unknown; free: kept, and nothing is lost without it; lucky:
    removed before others that the loss needs less, and still no accuracy is lost.

    The judgement may be empty: without a cut or without the truth there is nothing to judge.
    """

    kind: str
    judgement: str
    summary: str


def verdict(
    card: UnitCard, fate: Fate | None, *, agreement: Agreement | None = None, classes: Sequence[str] = ()
) -> Verdict:
    """Strictly from the numbers. agreement: of the criterion with the truth, where it is known; classes: names."""
    kind = _kind(card, fate, agreement)
    parts = [_fate(card, fate), _truth(card, classes), _likeness(card), _tied(card)]
    summary = "; ".join(part for part in parts if part)
    head = summary[:1] if card.unit is None else summary[:1].upper()  # a layer is called as it is
    return Verdict(kind, _judgement(kind, card, fate, agreement), f"{head}{summary[1:]}." if summary else "")


def costly(truth: Truth) -> bool:
    """Whether taking it out costs more than chance would show, in all or for one class."""
    return truth.all.interval[0] > 0 or truth.worst is not None


def points(share: float) -> str:
    """A share as points of accuracy, `0.4`, never `−0.0`."""
    return f"{round(100 * share, 1) + 0.0:.1f}".replace("-", "−")


def number(value: float) -> str:
    """A correlation or a cosine, `−0.93`."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _kind(card: UnitCard, fate: Fate | None, agreement: Agreement | None) -> str:
    if card.truth is None or fate is None:
        return UNKNOWN
    if costly(card.truth):
        return WRONG if fate.removed else RIGHT
    group, gone = _group(card, agreement), fate.removed_units
    if fate.removed:
        early = group is not None and card.truth.interval[0] > _CLEARLY * max(0.0, group.belong(gone))
        return LUCKY if early else RIGHT
    if group is None or not gone:
        return FREE
    late = _CLEARLY * max(0.0, card.truth.interval[1]) < group.changes[group.costliest(gone)]
    return WRONG if late else FREE


def _group(card: UnitCard, agreement: Agreement | None) -> LayerAgreement | None:
    group = agreement.of(card.layer) if agreement is not None else None
    return None if group is None or card.unit is None or card.unit >= len(group.scores) else group


def _judgement(kind: str, card: UnitCard, fate: Fate | None, agreement: Agreement | None) -> str:
    if kind == UNKNOWN or fate is None or card.truth is None:
        return ""
    group = _group(card, agreement)
    place = None if group is None or card.unit is None else group.true_place(card.unit)
    truly = f" By the truth it is number {place} of {fate.units} to go." if place is not None else ""
    if kind == WRONG and fate.removed:
        return f"The criterion was wrong: it removed something that costs accuracy.{truly}"
    if kind == WRONG and group is not None:
        other = group.costliest(fate.removed_units)
        cost = f"which costs {group.changes[other]:.3f} nats of loss"
        return f"The criterion was wrong: it kept something free while it removed {card.kind} {other}, {cost}.{truly}"
    if kind == LUCKY:
        why = "the loss rises more than without those that should have gone"
        return f"No accuracy is lost, but not because the criterion knew: {why}.{truly}"
    if kind == FREE:
        return f"Kept, though it could go: {_nothing(card.truth)}.{truly}"
    if fate.removed:
        return f"The criterion was right: {_nothing(card.truth)}.{truly}"
    return f"The criterion was right to keep it: accuracy is lost without it.{truly}"


def _nothing(truth: Truth) -> str:
    said = f"{truth.all.n} images show no accuracy lost beyond chance"
    return f"{said}, though the loss rises by {truth.change:.3f} nats" if truth.interval[0] >= _VISIBLE else said


def _fate(card: UnitCard, fate: Fate | None) -> str:
    if fate is None:
        return card.name if card.unit is None else f"{card.name}: no step of this recipe ranks it"
    said = f"{'removed' if fate.removed else 'kept'}: {fate.criterion} rank {fate.place} of {fate.units}"
    if fate.threshold is None:
        return f"{said}, and there is no cut"
    side = "above" if fate.score > fate.threshold else "at" if fate.score == fate.threshold else "below"
    return f"{said}, {side} the cut {fate.threshold:.3g}"


def _truth(card: UnitCard, classes: Sequence[str]) -> str:
    if card.refusal:
        return f"it cannot be taken out: {card.refusal}"
    if card.truth is None:
        return ""
    found = card.truth.all
    low, high = found.interval
    alone = "" if card.unit is None else " alone"
    verb, size = ("gains", -found.cost) if found.cost < 0 else ("costs", found.cost)
    said = f"taking it out{alone} {verb} {points(size)} points"
    said += f" (95 %: {points(low)} to {points(high)} lost, {found.n} images)"
    return said + _worst(card.truth, classes)


def _worst(truth: Truth, classes: Sequence[str]) -> str:
    worst = truth.worst
    if worst is None:
        return ""
    own, name = truth.classes[worst], classes[worst] if worst < len(classes) else str(worst)
    return f", and class “{name}” alone loses {points(own.cost)} ({own.lost} of its {own.n} images)"


def _likeness(card: UnitCard) -> str:
    if card.responses is not None and card.responses.dead:
        return f"it gives the same answer to everything in {card.responses.n} images"
    best = max(card.neighbours, key=_near, default=None)
    if best is None or card.unit is None:
        return ""
    other, cosine = f"{card.kind} {best.unit}", f"cosine {number(best.cosine)}"
    if best.correlation is None:
        alike = "has much the same weights" if best.cosine >= ALIKE else "has the nearest weights"
        return f"{other} {alike} ({cosine})"
    measured = f"({cosine}, correlation {number(best.correlation)})"
    if best.correlation >= ALIKE:
        what = "strokes" if best.cosine >= ALIKE else "places, with other weights"
        return f"{other} answers to the same {what} {measured}"
    return f"no other {card.kind} is like it: the nearest is {best.unit} {measured}"


def _near(neighbour: Neighbour) -> float:
    return neighbour.cosine if neighbour.correlation is None else neighbour.correlation


def _tied(card: UnitCard) -> str:
    if not card.tied or card.unit is None:
        return ""
    named = ", ".join(card.tied[:_MOST_TIED]) + (
        f" and {len(card.tied) - _MOST_TIED} more" if len(card.tied) > _MOST_TIED else ""
    )
    return f"its number goes in {named} as well, since their outputs are added up"
