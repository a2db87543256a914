"""The exercises whose answer is a list of steps: limits that are measured."""

from __future__ import annotations

from collections.abc import Sequence

from .bench import Made
from .checker import Goal, Limit


def at_most_bytes(limit: int) -> Limit:
    """The file's length."""
    return Limit(f"at most {limit:,} bytes", lambda m: m.file_bytes <= limit, lambda m: f"{m.file_bytes:,} bytes")


def at_least_right(percent: float) -> Limit:
    """Validation accuracy."""
    asked = f"at least {percent:g} % of the validation images right"
    return Limit(asked, lambda m: m.accuracy >= percent - 1e-9, lambda m: f"{m.accuracy:.2f} %")


def at_most_macs(limit: int) -> Limit:
    """Multiplications of one image."""
    asked = f"at most {limit:,} multiplications"
    return Limit(asked, lambda m: m.measured.macs <= limit, lambda m: f"{m.measured.macs:,}")


def smaller(times: float) -> Limit:
    """Dense bytes over the file's."""
    asked = f"at least {times:g} times smaller"
    return Limit(
        asked, lambda m: m.measured.compression_ratio >= times, lambda m: f"{m.measured.compression_ratio:.1f} times"
    )


def only(families: Sequence[str], words: str) -> Limit:
    """Steps of these families alone."""
    return Limit(
        words, lambda m: all(name.split(".")[0] in families for name in _used(m)), lambda m: ", ".join(_used(m))
    )


def _used(made: Made) -> list[str]:
    return [step.method for step in made.run.recipe.steps]


GOALS = {
    goal.name: goal
    for goal in (
        Goal(
            "pruned",
            (at_most_bytes(360_000), at_least_right(98.5), only(["prune"], "pruning alone, without training")),
            (
                "One ratio for all layers wastes what the scan told you: which layer hardly minds?",
                "fc1 has most of the weights and minds least; a layer's own value is written /fc1:pruning_ratio=0.8.",
                "Start with 0.3 for all and 0.8 for fc1, then look at which limit is kept and move one of the two.",
            ),
        ),
        Goal(
            "coded",
            (at_most_bytes(110_000), at_least_right(99.0), only(["quant"], "quantizers alone")),
            (
                "Which method had the better accuracy at few bits?",
                "Layers may have bits of their own, as in /conv1:bits=5.",
                "k-means with 2 bits for fc1 is near; more bits for layers with few weights cost hardly any bytes.",
            ),
        ),
        Goal(
            "factored",
            (
                at_most_macs(1_000_000),
                at_least_right(98.0),
                only(["lowrank", "recover"], "low rank and recovery alone"),
            ),
            (
                "Factors change the answer of every layer a little. What can mend that?",
                "recover.finetune:epochs=1 after the factors costs about a second.",
                "A step may act on some layers alone, as in lowrank.tsvd:rank_share=0.4@conv2+fc1.",
            ),
        ),
        Goal(
            "deep",
            (at_most_bytes(50_000), at_least_right(98.0)),
            (
                "Prune most of fc1, share values, and train in between: where does the order matter?",
                "Pruning with epochs=1 mends as it goes; the codebook can be trained too.",
                "prune.magnitude_iter with fc1 near 0.92 and epochs=1, then quant.kmeans_share with 4 or 5 bits.",
            ),
        ),
        Goal(
            "other_answers",
            (
                at_least_right(97.0),
                smaller(10),
            ),
            (
                "Ten times smaller needs two families: fewer weights and fewer bits for each.",
                "Prune fc1 hard and share values afterwards; mind what lesson 2 said about conv1.",
                "prune.magnitude_iter with fc1 near 0.85 and the rest near 0.3, then quant.kmeans_share:bits=4.",
            ),
        ),
        Goal(
            "entry",
            (at_most_bytes(24_000), at_least_right(98.5)),
            (
                "Start from what was best in lesson 6, and train after pruning.",
                "The smaller network has less to spare: prune it less, and give its small layers more bits.",
                "prune.magnitude_iter with ratios near 0.5 and epochs=1, then quant.kmeans_share with 4 bits.",
            ),
        ),
    )
}
