"""Which step may come after which: a step sets shapes, the support, the values, or trains what is there."""

from __future__ import annotations

from collections.abc import Sequence

NETWORK, SHAPE, FACTORS, SUPPORT, VALUES, TRAINING = "network", "shape", "factors", "support", "values", "training"
KINDS = (NETWORK, SHAPE, FACTORS, SUPPORT, VALUES, TRAINING)

WHAT = {
    NETWORK: "puts another network in its place",
    SHAPE: "takes whole units out",
    FACTORS: "replaces weights by factors",
    SUPPORT: "takes single weights out",
    VALUES: "stores the weights as codes",
    TRAINING: "trains what is there",
}

_LOST = "everything done before it would be lost"
_AGAINST = {
    (NETWORK, SHAPE): _LOST,
    (NETWORK, FACTORS): _LOST,
    (NETWORK, SUPPORT): _LOST,
    (NETWORK, VALUES): _LOST,
    (NETWORK, TRAINING): _LOST,
    (SHAPE, FACTORS): "factors have no filters of the original layer left to rank",
    (SHAPE, VALUES): "the codes were fitted to the full layer",
    (FACTORS, FACTORS): "the layer is factorised already",
    (FACTORS, SUPPORT): "factors would fill the removed weights in again",
    (FACTORS, VALUES): "factors would replace the stored codes",
    (VALUES, VALUES): "the weights are codes already, and a second quantizer would replace them",
}

Done = tuple[str, str, tuple[str, ...] | None]
"""(method id, what it sets, layers it was limited to)."""


def reason_against(sets: str, layers: tuple[str, ...] | None, done: Sequence[Done]) -> str | None:
    """Why a step that sets `sets` on `layers` cannot come after those in `done`, or None."""
    for owner, earlier, where in done:
        why = _AGAINST.get((sets, earlier))
        if why is not None and (sets == NETWORK or _meet(layers, where)):
            return f"a step that {WHAT[sets]} cannot come after {owner}, which {WHAT[earlier]}: {why}"
    return None


def _meet(a: tuple[str, ...] | None, b: tuple[str, ...] | None) -> bool:
    if a is None or b is None:
        return True
    return any(x == y or x.startswith(y + ".") or y.startswith(x + ".") for x in a for y in b)
