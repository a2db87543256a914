"""What to try, from six rules that surveys give and a few of our own: every answer has its reasons and who says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .errors import WorkbenchError
from .families import CHENG, HERE, JI, LAI, Dispute, disputes_about

FILE, SPEED, MEMORY = "file", "speed", "memory"
USUAL, SPECIAL = "usual", "special"
NONE, SOME, SCRATCH = "none", "some", "scratch"
LITTLE, ENOUGH = "little", "enough"
STEADY, POINT, MORE = "steady", "point", "more"
BIT, MUCH = "bit", "much"


@dataclass(frozen=True)
class Question:
    """One question to a person: name of the field of Needs, and answer -> its words."""

    name: str
    text: str
    answers: dict[str, str]


QUESTIONS = (
    Question(
        "goal",
        "What is it for?",
        {FILE: "a smaller file", SPEED: "a faster network", MEMORY: "less memory while it runs"},
    ),
    Question(
        "hardware",
        "Where will it run?",
        {USUAL: "on a usual processor or GPU", SPECIAL: "on one for zeros or few bits"},
    ),
    Question(
        "training",
        "May it be trained?",
        {NONE: "no", SOME: "yes, a few epochs", SCRATCH: "yes, from scratch in one go"},
    ),
    Question("data", "Are there labelled images?", {NONE: "no", LITTLE: "a few", ENOUGH: "enough to train with"}),
    Question(
        "loss", "How much accuracy may go?", {STEADY: "next to none", POINT: "about a point", MORE: "several points"}
    ),
    Question("amount", "How much smaller?", {BIT: "a few times", MUCH: "as much as it can be"}),
)


@dataclass(frozen=True)
class Needs:
    """What a person answered."""

    goal: str = FILE
    hardware: str = USUAL
    training: str = SOME
    data: str = ENOUGH
    loss: str = POINT
    amount: str = BIT

    def __post_init__(self) -> None:
        for question in QUESTIONS:
            if (given := getattr(self, question.name)) not in question.answers:
                allowed = ", ".join(question.answers)
                raise WorkbenchError(f"{question.text} can be answered with {allowed}; got {str(given)[:40]!r}.")


@dataclass(frozen=True)
class Makeup:
    """What a network is made of: weights and multiply-adds of its convolutions and of its linear layers."""

    conv_weights: int
    linear_weights: int
    conv_macs: int
    linear_macs: int

    def linear_share(self, goal: str) -> float:
        """Of what the goal is about, the part that linear layers have, in [0, 1]."""
        conv, linear = (self.conv_macs, self.linear_macs) if goal == SPEED else (self.conv_weights, self.linear_weights)
        return linear / (conv + linear) if conv + linear else 0.0


@dataclass(frozen=True)
class Way:
    """Something that can be done, and the steps that do it here."""

    id: str
    title: str
    family: str
    steps: tuple[str, ...]


WAYS = (
    Way("weights", "Prune single weights", "prune", ("prune.magnitude_iter",)),
    Way("filters", "Prune whole filters", "prune", ("prune.l1_filter",)),
    Way("neurons", "Merge similar neurons", "prune", ("prune.neuron_datafree",)),
    Way("share", "Let weights share a few values", "quant", ("quant.kmeans_share",)),
    Way("grid", "Round weights to a grid", "quant", ("quant.int8_linear",)),
    Way("few", "Few bits for weights and activations", "quant", ("quant.dorefa",)),
    Way("matrices", "Factor matrices (SVD)", "lowrank", ("lowrank.tsvd",)),
    Way("tensors", "Factor convolutions (Tucker)", "lowrank", ("lowrank.tucker2",)),
    Way("circulant", "Circulant matrices in linear layers", "quant", ("struct.circulant",)),
    Way("compact", "Depthwise separable convolutions", "compact", ("compact.mobilenet_v1",)),
    Way("distil", "Distil", "kd", ("kd.hinton",)),
    Way("combine", "Prune, then share what is left", "combo", ("prune.magnitude_iter", "quant.kmeans_share")),
)


@dataclass(frozen=True)
class Rule:
    """Speaks for some ways (weight above 0) and against others where it holds; `bars` leaves no choice.

    source: who says so, with the number that a survey gives the rule.
    """

    source: str
    reason: str
    holds: Callable[[Needs, Makeup], bool]
    weights: Mapping[str, int]
    bars: bool = False


_STRUCTURE = {"filters": 2, "neurons": 2}
_BARRED_WITHOUT_TRAINING = {"few": -9, "compact": -9, "distil": -9}

RULES = (
    Rule(
        f"{JI}, rule 1",
        "Memory is tight while it runs: sharing and pruning, above all whole filters and binary weights with binary "
        "activations; the other families shrink weights and not what lies between layers.",
        lambda n, _m: n.goal == MEMORY,
        {**_STRUCTURE, "few": 2, "share": 1, "weights": 1},
    ),
    Rule(
        f"{JI}, rule 2",
        "A trained network is used again: pruning, sharing and low rank start from it.",
        lambda n, _m: n.training != SCRATCH,
        {"weights": 1, "filters": 1, "neurons": 1, "share": 1, "grid": 1, "matrices": 1, "tensors": 1, "combine": 1},
    ),
    Rule(
        f"{JI}, rule 2",
        "No trained network is needed: compact filters and distillation train anew.",
        lambda n, _m: n.training == SCRATCH,
        {"compact": 1, "distil": 1},
    ),
    Rule(
        f"{JI}, rule 3",
        "One training from beginning to end is wanted: compact filters.",
        lambda n, _m: n.training == SCRATCH,
        {"compact": 2},
    ),
    Rule(
        f"{JI}, rule 4",
        "Accuracy must stay: pruning takes away much and costs little, above all that of single weights.",
        lambda n, _m: n.loss == STEADY,
        {"weights": 2, "filters": 1, "neurons": 1},
    ),
    Rule(
        f"{JI}, rule 5",
        "There are few images: a student learns what its teacher knows.",
        lambda n, _m: n.data == LITTLE and n.training != NONE,
        {"distil": 3},
    ),
    Rule(
        f"{JI}, rule 6",
        "More is wanted than one family gives, and the families can be combined: Han et al. 2016 prune and share.",
        lambda n, _m: n.amount == MUCH and n.goal != SPEED,
        {"combine": 4},
    ),
    Rule(
        HERE,
        "Most of what counts lies in linear layers: factors and circulant matrices shrink those most.",
        lambda n, m: m.linear_share(n.goal) >= 0.5,
        {"matrices": 1, "circulant": 1, "neurons": 1},
    ),
    Rule(
        HERE,
        "Most of what counts lies in convolutions: whole filters, Tucker factors and depthwise filters act there.",
        lambda n, m: m.linear_share(n.goal) < 0.5,
        {"filters": 1, "tensors": 1, "compact": 1},
    ),
    Rule(
        f"{LAI}; {JI}",
        "A usual processor computes with zeros as with any other number, and looks shared values up first: only "
        "smaller shapes are faster.",
        lambda n, _m: n.goal == SPEED and n.hardware == USUAL,
        {"weights": -4, "combine": -4, "share": -3, "grid": -1, "matrices": 1, "neurons": 2, "tensors": 2, "compact": 2}
        | {"filters": 3},
    ),
    Rule(
        LAI,
        "Hardware that skips zeros or computes with few bits turns them into time.",
        lambda n, _m: n.goal == SPEED and n.hardware == SPECIAL,
        {"weights": 2, "few": 3, "grid": 2, "filters": 1},
    ),
    Rule(
        HERE,
        "A file is as small as its codes: fewer values, and zeros that an entropy coder counts for next to nothing.",
        lambda n, _m: n.goal == FILE,
        {"share": 2, "weights": 1, "grid": 1, "combine": 1},
    ),
    Rule(
        f"{CHENG}; {JI}",
        "Binary networks lose much accuracy when they are large.",
        lambda n, _m: n.loss != MORE,
        {"few": -2},
    ),
    Rule(
        HERE,
        "Nothing may be trained: what has to learn again is left out.",
        lambda n, _m: n.training == NONE,
        _BARRED_WITHOUT_TRAINING,
        bars=True,
    ),
    Rule(
        HERE,
        "There are no images: what needs some is left out; weights and norms can be looked at without.",
        lambda n, _m: n.data == NONE,
        _BARRED_WITHOUT_TRAINING,
        bars=True,
    ),
)


@dataclass(frozen=True)
class Reason:
    """Why a way is or is not advised: a sentence and who says so. weight: above 0 speaks for it."""

    sentence: str
    source: str
    weight: int


@dataclass(frozen=True)
class Advised:
    """A way with its score and reasons, strongest first; off: why it cannot be taken here, or empty."""

    way: Way
    score: int
    reasons: tuple[Reason, ...]
    off: str = ""


@dataclass(frozen=True)
class Advice:
    """All ways, the best first and those that are off last, and where the surveys disagree about the best ones."""

    needs: Needs
    makeup: Makeup
    ways: tuple[Advised, ...]
    disputes: tuple[Dispute, ...]

    @property
    def best(self) -> tuple[Advised, ...]:
        """At most three that can be taken and that something speaks for."""
        return tuple(x for x in self.ways if not x.off and x.score > 0)[:3]


def advise(needs: Needs, makeup: Makeup, refused: Mapping[str, str] | None = None) -> Advice:
    """refused: way id -> why the network or the workbench cannot take it. Ways of one score keep their order."""
    found = [_judged(way, needs, makeup, (refused or {}).get(way.id, "")) for way in WAYS]
    ordered = tuple(sorted(found, key=lambda x: (bool(x.off), -x.score)))
    best = Advice(needs, makeup, ordered, ()).best
    return Advice(needs, makeup, ordered, disputes_about(tuple(dict.fromkeys(x.way.family for x in best))))


def _judged(way: Way, needs: Needs, makeup: Makeup, refused: str) -> Advised:
    spoke = [rule for rule in RULES if rule.weights.get(way.id) and rule.holds(needs, makeup)]
    barred = next((rule.reason for rule in spoke if rule.bars), "")
    reasons = [Reason(r.reason, r.source, r.weights[way.id]) for r in spoke if not r.bars]
    reasons.sort(key=lambda reason: -abs(reason.weight))
    return Advised(way, sum(r.weight for r in reasons), tuple(reasons), refused or barred)
