"""Did the criterion know what each unit is worth? The units that show it best, as cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.agreement import Agreement
from ..core.records import Decision
from ..core.units import fate_of
from ..experiment.questions.criterion import CriterionQuestion
from ..experiment.questions.unit import UnitQuestion
from ..figures import criterion_truth, unit_card, unit_classes, unit_examples
from ..methods.prune._criteria import criterion_titled
from . import page as html
from .page import Section
from .teller import Teller, drawn

_WHAT = """Every unit was taken out alone, and what the loss gains was measured: the truth that a criterion guesses at.
A point to the lower left went for good reason; one to the upper left should have stayed."""


def units(teller: Teller) -> Iterator[Section]:
    """The criterion against the truth, and up to three cards; nothing where no filters or neurons were removed."""
    decisions = [d for d in teller.opened.model.decisions if d.kept and d.removed]
    name = criterion_titled(d.criterion for d in decisions)
    if name is None:
        return
    agreement: Agreement = teller.answer(CriterionQuestion(name))
    view = criterion_truth.view(agreement, decisions)
    worst = html.chart(criterion_truth.mistakes(view), "The units that the criterion puts most in the wrong place")
    scatter = drawn(criterion_truth, view, "Score of every unit against what the loss gains without it")
    yield Section("Did the criterion know?", (html.words(_WHAT), scatter, worst))
    cards = [part for layer, unit in _telling(agreement, decisions) for part in _card(teller, layer, unit, agreement)]
    yield Section("Why could it go? Three units", tuple(cards))


def _telling(agreement: Agreement, decisions: Sequence[Decision]) -> list[tuple[str, int]]:
    """The removed unit that cost least, the one that cost most, and the kept one that costs least."""
    every = [(change, g.layer, unit) for g in agreement.layers for unit, change in enumerate(g.changes)]
    known = [(change, layer, unit, fate_of(decisions, layer, unit)) for change, layer, unit in every]
    gone = sorted((c, layer, unit) for c, layer, unit, fate in known if fate is not None and fate.removed)
    kept = sorted((c, layer, unit) for c, layer, unit, fate in known if fate is not None and not fate.removed)
    picked = [*gone[:1], *gone[1:][-1:], *kept[:1]]
    return [(layer, unit) for _, layer, unit in picked]


def _card(teller: Teller, layer: str, unit: int, agreement: Agreement) -> list[str]:
    card = teller.answer(UnitQuestion(layer, unit))
    view = unit_card.view(card, teller.opened.model.decisions, agreement=agreement, classes=teller.names)
    said = [] if view.verdict is None else [html.words(view.verdict.judgement), html.words(view.verdict.summary)]
    examples = unit_examples.view(card, classes=teller.names)
    by_class = unit_classes.view(card, classes=teller.names)
    return [
        html.head(view.name),
        *said,
        drawn(unit_card, view, f"Kernel of {view.name} and its place under every criterion"),
        html.chart(unit_examples.figure(examples), f"What excites {view.name} most"),
        html.chart(unit_classes.figure(by_class), f"Which classes {view.name} serves"),
    ]
