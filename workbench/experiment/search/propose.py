"""What to try next: Optuna's sampler, asked anew for every trial, so that the same past gives the same next trial."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.budget import Budget
from ...core.errors import WorkbenchError
from ...core.knob import Knob, Value
from .space import Params, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_RANDOM = 4
"""Before so many trials are known, the next one is random."""
_CONSTRAINTS = "constraints"
_SEEDS = 2**32


class Tried(NamedTuple):
    """Open values and what came of them."""

    params: Params
    figures: Mapping[str, float]


BRING = "A search needs Optuna; `pip install optuna` brings it."


def why_not() -> str:
    """Why nothing can be searched here, as a sentence, or ""."""
    return "" if find_spec("optuna") else BRING


def optuna() -> Any:
    """Optuna, silent; WorkbenchError where it is not installed."""
    try:
        import optuna as found
    except ImportError:
        raise WorkbenchError(BRING) from None
    found.logging.set_verbosity(found.logging.ERROR)
    return found


def proposed(space: Space, budget: Budget, past: Sequence[Tried], *, seed: int, chance: bool = False) -> Params:
    """The next open values to try. chance: at random, whatever the past; the same arguments give the same answer."""
    found = optuna()
    domains = {free.name: domain(free.spec) for free in space.free}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", found.exceptions.ExperimentalWarning)
        study = found.create_study(directions=_directions(budget), sampler=_sampler(seed, len(past), chance))
        for tried in past:
            study.add_trial(_as_trial(tried, budget, domains))
        params: Params = study.ask(domains).params
    return params


def domain(knob: Knob) -> BaseDistribution:
    """A knob's range as Optuna has it, geometric where the knob is."""
    of = optuna().distributions
    if knob.choices or knob.kind is bool:
        return of.CategoricalDistribution(knob.choices or (False, True))  # type: ignore[no-any-return]
    low, high = knob.bounds
    if knob.kind is int:
        return of.IntDistribution(int(low), int(high), log=knob.log)  # type: ignore[no-any-return]
    if knob.step and not knob.log:
        whole = float(f"{low + knob.step * math.floor((high - low) / knob.step + 1e-9):.10g}")
        return of.FloatDistribution(low, whole, step=knob.step)  # type: ignore[no-any-return]
    return of.FloatDistribution(low, high, log=knob.log)  # type: ignore[no-any-return]


def aimed(budget: Budget, figures: Mapping[str, float]) -> list[float]:
    """What is made large or small: costs as logarithms, since a tenth less is worth the same everywhere."""
    return [figures[x] if x == "accuracy" else math.log(figures[x]) for x in budget.aims]


def _directions(budget: Budget) -> list[str]:
    return ["maximize" if aim == "accuracy" else "minimize" for aim in budget.aims]


def _sampler(seed: int, past: int, chance: bool) -> Any:
    samplers = optuna().samplers
    if chance or past < _RANDOM:
        return samplers.RandomSampler(seed=seed % _SEEDS)
    return samplers.TPESampler(
        seed=seed % _SEEDS, n_startup_trials=0, multivariate=True, constraints_func=lambda trial: [0.0]
    )


def _as_trial(tried: Tried, budget: Budget, domains: Mapping[str, BaseDistribution]) -> FrozenTrial:
    missed = [limit.excess(tried.figures[limit.measure]) for limit in budget.limits]
    trial: FrozenTrial = optuna().trial.create_trial(
        params={name: _inside(domains[name], value) for name, value in tried.params.items()},
        distributions=dict(domains),
        values=aimed(budget, tried.figures),
        system_attrs={_CONSTRAINTS: missed},
    )
    return trial


def _inside(domain: Any, value: Value) -> Value:
    """The value in the domain: what a narrower range leaves out is taken to its end."""
    if not hasattr(domain, "low"):
        return value
    inside: Value = min(max(value, domain.low), domain.high)
    return inside
