"""The numbers beside the pictures: how alike they are, what they add up to, how far each can be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..core.attribution import TOP, UNTRAINED, AttributionPair, Balance, Faithfulness, Randomised, Trust
from .theme import percent

LOOSE = 0.05
"""A sum that misses by more than this share of the largest score is said to miss."""


class Table(NamedTuple):
    """rows: what, one cell for each column between, what good means. warnings, notes: sentences below."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def alike(pair: AttributionPair | None) -> Table | None:
    """How alike the two maps of the image are."""
    if pair is None:
        return None
    rank, top, ssim = pair.similarity
    rows = (
        ("order of the pixels (Spearman)", f"{rank:.2f}", "1 is the same order, 0 unrelated, below 0 reversed"),
        (
            f"strongest {percent(TOP).replace('.0', '')} in common",
            percent(top),
            f"{percent(TOP)} would be chance",
        ),
        ("same structure (SSIM)", f"{ssim:.2f}", "1 is the same picture, 0 unrelated"),
    )
    return Table("How alike are the two pictures?", ("", "on this image", "what it means"), rows)


def believed(
    pair: AttributionPair | None, trust: Faithfulness | None = None, check: Randomised | None = None
) -> Table | None:
    """How far each of the two pictures can be believed; trust and check as far as they are known."""
    if pair is None:
        return None
    rows: list[tuple[str, ...]] = []
    warnings: list[str] = []
    notes: list[str] = []
    if pair.dense_balance is not None and pair.compressed_balance is not None:
        balances = {"dense": pair.dense_balance, "compressed": pair.compressed_balance}
        rows += _sums(pair.dense_balance, pair.compressed_balance)
        warnings += [_loose(name, b) for name, b in balances.items() if b.gap > LOOSE]
    if trust is not None:
        rows += _trust(trust)
        if trust.compressed is not None:
            warnings += _worse_than_chance(trust)
    if check is not None and check.stages:
        rows.append(_untrained(check))
        (warnings if check.flagged else notes).extend([flag(check)] if check.complete else [])
    head = ("", "dense", "compressed", "what is good")
    return Table("What is each picture worth?", head, tuple(rows), tuple(warnings), tuple(notes)) if rows else None


def flag(check: Randomised) -> str:
    """What random weights say about the method, in words."""
    mean = check.stages[-1].mean
    if check.flagged:
        return (
            f"Careful: with random weights this network gets nearly the same picture (correlation {mean:.2f}). Much of "
            "what it shows is the image itself and not what was learnt."
        )
    return f"With random weights the picture is another one (correlation {mean:.2f}): it shows what was learnt."


def _sums(dense: Balance, compressed: Balance) -> list[tuple[str, ...]]:
    held = dense.held or compressed.held
    promise = "the score" if held else "the score less that of a black image"
    rows: list[tuple[str, ...]] = []
    rows.append(("the map adds up to", f"{dense.total:.3g}", f"{compressed.total:.3g}", f"{promise}, next row"))
    if held:
        rows.append(("and the biases hold", f"{dense.held:.3g}", f"{compressed.held:.3g}", "both together: the score"))
    rows.append((promise, f"{dense.owed:.3g}", f"{compressed.owed:.3g}", "so nothing is missing (completeness)"))
    rows.append(("missing", percent(dense.gap), percent(compressed.gap), "0 %, of the largest score"))
    return rows


def _loose(name: str, balance: Balance) -> str:
    return (
        f"The sum of the {name} network's map misses by {percent(balance.gap)} of its largest score: rounded "
        "activations have no gradient that would tell, or there are too few points between black and the image."
    )


def _trust(found: Faithfulness) -> list[tuple[str, ...]]:
    def row(what: str, of: Callable[[Trust], str], good: str) -> tuple[str, ...]:
        return what, of(found.dense), "…" if found.compressed is None else of(found.compressed), good

    return [
        row("deletion: area", lambda t: _against(t.deletion.area, t.random_deletion.area), "well below random"),
        row("insertion: area", lambda t: _against(t.insertion.area, t.random_insertion.area), "well above random"),
        row("infidelity", lambda t: _number(t.infidelity), "0 foretells every change, 1 foretells nothing"),
        row("max-sensitivity", lambda t: _number(t.sensitivity), "0 is steady; 1: small noise changes all of it"),
    ]


def _worse_than_chance(found: Faithfulness) -> list[str]:
    assert found.compressed is not None
    said = []
    for name, trust in (("dense", found.dense), ("compressed", found.compressed)):
        if trust.deletion.area >= trust.random_deletion.area:
            said.append(
                f"Taking away what the {name} network's picture calls important hurts no more than taking away pixels "
                "at random."
            )
    return said


def _untrained(check: Randomised) -> tuple[str, ...]:
    share = f"{check.stages[-1].layers} of {check.layers} layers"
    return (f"same picture with random weights ({share})", f"{check.stages[-1].mean:.2f}", "", f"below {UNTRAINED}")


def _against(area: float, random: float) -> str:
    return f"{area:.2f} (random {random:.2f})"


def _number(value: float | None) -> str:
    return "…" if value is None else f"{value:.2f}"
