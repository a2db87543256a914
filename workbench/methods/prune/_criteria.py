"""Every criterion of the family, once: filter methods rank by them, masks are drawn from them, figures compare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from ...core.context import Context
from ...core.errors import WorkbenchError
from ...layers.channels import groups_of
from ._by_gradient import Taylor
from ._by_maps import Activity, Rank
from ._by_weight import Chance, Distance, Norm
from ._criterion import Criterion

__all__ = [
    "CRITERIA",
    "Activity",
    "Chance",
    "Criterion",
    "Distance",
    "Norm",
    "Rank",
    "Taylor",
    "criterion_named",
    "criterion_titled",
    "scores_of",
]

CRITERIA: Mapping[str, Criterion] = {
    "l1": Norm("l1"),
    "l2": Norm("l2"),
    "mean": Norm("mean"),
    "fpgm": Distance(),
    "hrank": Rank(),
    "apoz": Activity(),
    "taylor": Taylor(),
    "random": Chance(),
}


def criterion_named(name: str) -> Criterion:
    """The criterion of this name at its usual settings; WorkbenchError lists what there is."""
    if name not in CRITERIA:
        raise WorkbenchError(f"There is no criterion {name!r}; there are {', '.join(CRITERIA)}.")
    return CRITERIA[name]


def criterion_titled(titles: Iterable[str]) -> str | None:
    """The name of the first criterion that one of these titles is of, as decisions tell them; None for others."""
    names = {criterion.title: name for name, criterion in CRITERIA.items()}
    return next((names[title] for title in titles if title in names), None)


def scores_of(criterion: str | Criterion, network: nn.Module, context: Context) -> dict[str, Tensor]:
    """The score of every unit that can be taken out, the lowest go first: layer -> (units,), in forward order.

    Layers whose units live and die together have the score of the group. The network stays as it is. WorkbenchError
    for a criterion that needs images where there are none; Cancelled.
    """
    chosen = criterion_named(criterion) if isinstance(criterion, str) else criterion
    groups = [group for group in groups_of(network, context.input_shape) if not group.refusal]
    found = chosen.groups(network, context, groups)
    return {name: scores for group, scores in zip(groups, found, strict=True) for name in group.producers}
