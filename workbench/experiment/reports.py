"""What the live session tells the page: one small tuple for everything that happens."""

from __future__ import annotations

from typing import NamedTuple

from ..core.comparison import Comparison
from ..core.recipe import Recipe
from ..core.records import Accuracy, Allocation, Decision, Estimate, Run, Sensitivity
from ..core.searched import Search
from ..core.training import Training
from ..networks import KeptWeights
from .questions import Answer


class Estimated(NamedTuple):
    """A guess from known runs, which may have come to be known after the request."""

    recipe: Recipe
    estimate: Estimate


class Recalled(NamedTuple):
    """What was measured earlier, and what there is to say about the data."""

    network: str
    dataset: str
    runs: tuple[Run, ...]
    remarks: tuple[str, ...]


class Learnt(NamedTuple):
    """Some of what was measured earlier, or by other pages."""

    network: str
    dataset: str
    runs: tuple[Run, ...]


class Decided(NamedTuple):
    """The network is compressed: why, per layer, and what did not happen as asked."""

    recipe: Recipe
    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]


class Sampled(NamedTuple):
    """Accuracy on a growing part of the validation images; the size is still an estimate."""

    recipe: Recipe
    accuracy: Accuracy
    estimated_bytes: int


class Measured(NamedTuple):
    """The file was written, read back and measured."""

    recipe: Recipe
    run: Run


class Sensed(NamedTuple):
    """A sensitivity scan, complete or still growing."""

    sensitivity: Sensitivity


class Allocated(NamedTuple):
    """Every layer's value for one step of the recipe, by its place, chosen from its sensitivity."""

    recipe: Recipe
    step: int
    allocation: Allocation


class Searched(NamedTuple):
    """A search for settings within a budget, as far as it is; its trials are told as Measured as well."""

    recipe: Recipe
    search: Search


class Compared(NamedTuple):
    """What the runs of a network on one dataset say, set against each other."""

    network: str
    comparison: Comparison


class Answered(NamedTuple):
    """What is known so far to answer a question."""

    recipe: Recipe
    answer: Answer


class Trained(NamedTuple):
    """A training from scratch, as far as it is."""

    training: Training


class Tuned(NamedTuple):
    """A training that a step of the recipe asked for, as far as it is."""

    recipe: Recipe
    training: Training


class Kept(NamedTuple):
    """The result of a training is at home, and can be picked by its name from now on."""

    weights: KeptWeights


class Working(NamedTuple):
    """What is being done; share in [0, 1] or None."""

    doing: str
    share: float | None


class Idle(NamedTuple):
    """Nothing runs any more; the outcome of the last job is done, cancelled or failed."""

    outcome: str


class Failed(NamedTuple):
    """One sentence for the person; details for a report when the mistake is ours."""

    sentence: str
    details: str


Event = (
    Estimated
    | Recalled
    | Learnt
    | Decided
    | Sampled
    | Measured
    | Sensed
    | Allocated
    | Searched
    | Compared
    | Answered
    | Trained
    | Tuned
    | Kept
    | Working
    | Idle
    | Failed
)
