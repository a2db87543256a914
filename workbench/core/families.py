"""What surveys say of the families of methods, as a table, and where they contradict each other or themselves."""

from __future__ import annotations

from dataclasses import dataclass

JI = "Ji et al. 2018"
LAI = "Lai et al. 2020"
CHENG = "a digest of Cheng et al. 2017 and Choudhary et al. 2020"
READER = "a reader's notes on Ji et al. 2018"
HERE = "this workbench"
SURVEYS = {
    JI: "Ji, Lin, Chao, Wu, Huang: a survey of compression and acceleration, J. Computer R&D 2018(9)",
    LAI: "Lai, Hao, Huang: methods and progress in model compression, J. East China Normal Univ. 2020(5)",
    CHENG: "Cheng et al.: a survey of compression and acceleration 2017, and Choudhary et al. 2020, as digested",
    READER: "notes that repeat the six rules and doubt parts of the table",
}
"""Who says it -> what that is."""


@dataclass(frozen=True)
class Family:
    """One row. conv, linear: whether it suits such layers; start: the network that it begins with."""

    id: str
    title: str
    conv: str
    linear: str
    training: str
    start: str
    combines: str


@dataclass(frozen=True)
class Dispute:
    """Something that surveys see differently. column: of the table; family: "" for all of them."""

    family: str
    column: str
    sentence: str


FAMILIES = (
    Family(
        "prune", "Pruning", "yes", "yes", "step by step or layer by layer", "trained", "well, with sharing or low rank"
    ),
    Family(
        "quant", "Sharing and few bits", "yes", "yes", "step by step or layer by layer", "both", "well, with pruning"
    ),
    Family("lowrank", "Low rank", "yes", "yes", "in one go", "both", "with pruning"),
    Family("compact", "Compact filters", "yes", "no", "in one go", "from scratch", "not yet"),
    Family("kd", "Distillation", "yes", "yes", "not said", "from scratch", "not yet"),
)
"""As in the table of Ji et al. 2018, in their order; its text is lost and only what the prose says of it is left."""

DISPUTES = (
    Dispute("", "", f"No survey gives a measure of “best”: it depends on the task ({JI})."),
    Dispute("", "start", f"The columns on where to start and what combines are doubted by {READER}."),
    Dispute("prune", "start", f"{JI}: pruning needs a trained network; {CHENG}: it works from scratch too."),
    Dispute(
        "prune",
        "structure",
        f"{LAI} count taking out kernels as structured; in a dense layout that makes nothing faster ({HERE}).",
    ),
    Dispute(
        "quant",
        "linear",
        f"{JI}: sharing suits convolutions and linear layers alike, and yet hashed and circulant weights suit linear "
        "layers only.",
    ),
    Dispute(
        "quant",
        "memory",
        f"{JI}: binary weights and activations save memory while the network runs; that holds only where activations "
        f"are packed into bits, which is simulated here ({HERE}).",
    ),
    Dispute(
        "lowrank",
        "training",
        f"{CHENG}: low rank trains in one go, and also: it is costly, works layer by layer and needs much retraining.",
    ),
    Dispute(
        "compact",
        "combines",
        f"{JI}: compact filters do not combine with other families yet; the same survey's sixth rule: the families are "
        "orthogonal.",
    ),
    Dispute("compact", "start", f"{CHENG}: transferred filters suit wide networks and not narrow, deep ones."),
    Dispute(
        "kd",
        "combines",
        f"{JI}: distillation does not combine yet; {LAI}: students are quantized while they are distilled.",
    ),
    Dispute(
        "kd", "training", f"{JI}: nothing is said of its training; {LAI}: in two stages, and in one where peers teach."
    ),
    Dispute(
        "kd",
        "task",
        f"{JI} and {CHENG}: for classification only and often weaker; {LAI}: for detection and segmentation as well.",
    ),
)


def disputes_about(families: tuple[str, ...]) -> tuple[Dispute, ...]:
    """Those about any of these families, then those about all."""
    own = [d for d in DISPUTES if d.family in families]
    return (*own, *(d for d in DISPUTES if not d.family))
