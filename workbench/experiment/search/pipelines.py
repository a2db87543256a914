"""Steps to choose among when somebody names a budget and no steps."""

from __future__ import annotations

from ...core.budget import Budget
from ...core.errors import WorkbenchError
from ...core.knob import Value
from ...core.recipe import Recipe, Step
from ..pipeline import plan
from ..subject import Subject

_BOOKS: dict[str, Value] = {"init": "linear", "biases": "shared", "book": "bfloat16"}
_SHARE = Step("quant.kmeans_share", {**_BOOKS, "epochs": 1, "learning_rate": 1e-3})
_TUNE = Step("recover.finetune", {"epochs": 1, "learning_rate": 1e-3})
_SPARSE = Step("prune.magnitude_iter", {})
_FILTERS = Step("prune.l1_filter", {"norm": "l1", "selection": "independent"})
_FACTORS = Step("lowrank.tsvd", {"choose": "rank_share", "convolution": "kernel_first", "energy": 0.9})
_ROUND: dict[str, Value] = {
    "scheme": "symmetric",
    "granularity": "channel",
    "percentile": 100.0,
    "activation_range": "minmax",
}
_GRID = Step("quant.int8_linear", {**_ROUND, "activation_bits": 32, "epochs": 1, "learning_rate": 1e-3})
PIPELINES: dict[str, tuple[Step, ...]] = {
    "weights": (_SPARSE, _TUNE, _SHARE),
    "filters": (_FILTERS, _SPARSE, _TUNE, _SHARE),
    "factors": (_FACTORS, _TUNE, _GRID),
}
"""Single weights go; whole filters and then weights go; factors take a layer's place. Each ends with codes."""
_SMALLER = ("filters", "factors")
"""Those after which less is computed."""


def fitting(recipe: Recipe, budget: Budget, subject: Subject) -> list[Recipe]:
    """`recipe` with the steps of each pipeline that this network takes and that can lower what the budget limits."""
    computed = any(limit.measure in ("macs", "latency_ms", "parameters") for limit in budget.costs)
    found = []
    for name, steps in PIPELINES.items():
        given = recipe.with_steps(*steps)
        if (not computed or name in _SMALLER) and _taken(given, subject):
            found.append(given)
    if not found:
        raise WorkbenchError(f"None of the usual pipelines can be used on {recipe.network}; name the steps.")
    return found


def _taken(recipe: Recipe, subject: Subject) -> bool:
    try:
        return bool(plan(recipe, subject.network))
    except WorkbenchError:
        return False
