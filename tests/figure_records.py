"""Small records for the tests of the figures, made by hand."""

from workbench.core.recipe import Recipe, Step
from workbench.core.records import (
    Accuracy,
    Decision,
    Latency,
    LayerRow,
    Measurement,
    Provenance,
    Run,
    Sensitivity,
    SensitivityPoint,
    Stage,
)

DENSE_BYTES = 40_000
PARTS = {"header": 300, "codes": 1500, "positions": 700, "codebooks": 64, "biases": 400, "checksum": 4}


def accuracy(correct, n=200, total=200):
    return Accuracy(correct, n, total, "validation")


def run(*steps, correct=180, file_bytes=None, stages=(), parts=None):
    """A run of (method, knobs) steps."""
    size = file_bytes if file_bytes is not None else sum((parts or PARTS).values())
    measured = Measurement(
        accuracy(correct), size, DENSE_BYTES, parts or {"weights": size}, 10_000, 5_000, 70, 100,
        Latency(1.0, 0.9, 1.2, 1, 2, "cpu", 50, 10),
    )  # fmt: skip
    recipe = Recipe("net", "data", tuple(Step(method, knobs) for method, knobs in steps))
    return Run(recipe, measured, (), (), tuple(stages), Provenance("0", "2", "2", "3", "cpu", 2, "w", "now", 1.0))


def curve(method, knob, values):
    """Runs of one method; values: (knob value, right answers, bytes)."""
    return [run((method, {knob: value}), correct=right, file_bytes=size) for value, right, size in values]


def whole():
    """A run of two steps with its stages and parts."""
    stages = (Stage("prune.toy:ratio=0.9", 9_000, {}, 10, 5), Stage("quant.toy:bits=4", sum(PARTS.values()), {}, 10, 5))
    return run(("prune.toy", {"ratio": 0.9}), ("quant.toy", {"bits": 4}), stages=stages, parts=PARTS)


def scan(complete=True):
    """Two layers at three values; the last point is missing unless complete."""
    points = [
        SensitivityPoint(layer, value, accuracy(190 - lost), 10)
        for layer, losses in (("conv", (0, 5, 60)), ("fc", (0, 1, 9)))
        for value, lost in zip((0.9, 0.1, 0.5), (losses[2], losses[0], losses[1]), strict=True)
    ]
    points = points if complete else points[:-1]
    return Sensitivity("net", "data", "prune.toy", "ratio", accuracy(190), tuple(points), complete, ("conv", "fc"))


def decision(layer="conv", scores=(0.4, 0.1, 0.9, 0.2, 0.7), cut=0.4):
    kept = tuple(score >= cut for score in scores)
    return Decision(layer, "prune.toy", "L1 norm", "filter", cut, len(scores), kept.count(False), tuple(scores), kept)


def rows():
    return (
        LayerRow("conv", "conv", (4, 1, 3, 3), 36, 20, 900, 60, 36, "bitmap", ("prune.toy",)),
        LayerRow("fc.first", "linear", (10, 400), 4000, 400, 4000, 900, 4000, "codebook", whole="fc"),
        LayerRow("fc.second", "linear", (10, 10), 100, 100, 100, 400, 4000, "codebook", whole="fc"),
        LayerRow("out", "linear", (10, 10), 100, 100, 100, 400, 100, "float", note="left as it was"),
    )
