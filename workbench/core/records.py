"""What the workbench knows after it has measured: plain data, loads without torch, JSON both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .recipe import Recipe, Step

Z95 = 1.959963984540054


def wilson(correct: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval of a share, 95 % by default; (0, 1) when nothing was seen. Wilson 1927."""
    if n == 0:
        return 0.0, 1.0
    p, zz = correct / n, z * z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Count:
    """`correct` of `n` images; used for one class."""

    correct: int
    n: int

    @property
    def accuracy(self) -> float:
        return self.correct / self.n if self.n else 0.0


@dataclass(frozen=True)
class Accuracy:
    """Top-1 on `n` images of `split`; `total` is how many the split has, so n < total marks a sample."""

    correct: int
    n: int
    total: int
    split: str
    top5_correct: int | None = None
    per_class: tuple[Count, ...] = ()
    loss: float | None = None

    @property
    def accuracy(self) -> float:
        """Share of right answers, in [0, 1]."""
        return self.correct / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of `accuracy`."""
        return wilson(self.correct, self.n)

    @property
    def top5(self) -> float | None:
        """Share of images whose label is among the five highest scores."""
        return None if self.top5_correct is None or not self.n else self.top5_correct / self.n

    @property
    def complete(self) -> bool:
        return self.n == self.total


@dataclass(frozen=True)
class Latency:
    """Time of one forward pass of `batch` images: median, 10th and 90th percentile over `runs`, milliseconds."""

    median_ms: float
    low_ms: float
    high_ms: float
    batch: int
    threads: int
    device: str
    runs: int
    warmup: int


@dataclass(frozen=True)
class LayerRow:
    """One weight tensor after compression, beside what it was. A removed tensor has no row.

    whole: the layer of the dense network that it is, or is a part of.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    nonzeros: int
    macs: int
    file_bytes: int
    dense_parameters: int
    stored_as: str
    methods: tuple[str, ...] = ()
    note: str = ""
    whole: str = ""

    @property
    def bits_per_weight(self) -> float:
        """Stored bits over the dense layer's parameter count."""
        return 8 * self.file_bytes / self.dense_parameters if self.dense_parameters else 0.0


@dataclass(frozen=True)
class Histogram:
    """Counts of scores between edges, split by fate. len(edges) == len(kept) + 1 == len(removed) + 1."""

    edges: tuple[float, ...]
    kept: tuple[int, ...]
    removed: tuple[int, ...]


@dataclass(frozen=True)
class Decision:
    """Why, for one layer: the score of every unit, the cut, what was kept.

    For units that are filters or neurons `scores` and `kept` hold one entry per unit; for single weights they are
    empty and `histogram` alone says how the scores lie.
    """

    layer: str
    method: str
    criterion: str
    unit: str
    threshold: float | None
    units: int
    removed: int
    scores: tuple[float, ...] = ()
    kept: tuple[bool, ...] = ()
    histogram: Histogram | None = None


@dataclass(frozen=True)
class Stage:
    """The network after one step: bytes of the file it would take, by part, and non-zero weights."""

    step: str
    file_bytes: int
    bytes_by_part: dict[str, int]
    parameters: int
    nonzeros: int


@dataclass(frozen=True)
class Measurement:
    """Numbers measured on a file that was written and read back. `arithmetic` says what ran when latency was taken."""

    accuracy: Accuracy
    file_bytes: int
    dense_bytes: int
    bytes_by_part: dict[str, int]
    parameters: int
    nonzeros: int
    macs: int
    dense_macs: int
    latency: Latency | None = None
    arithmetic: str = "float32"

    @property
    def compression_ratio(self) -> float:
        """Dense bytes (4 per parameter and buffer value) over the file's bytes."""
        return self.dense_bytes / self.file_bytes


@dataclass(frozen=True)
class Provenance:
    """Where and with what a Run was made. started: ISO 8601, UTC.

    data: what the images were; data_digest: of their content; remarks: sentences about them, as about a copy or about
    images that could not be read.
    """

    workbench: str
    torch: str
    numpy: str
    python: str
    machine: str
    threads: int
    weights: str
    started: str
    seconds: float
    data: str = ""
    data_digest: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A recipe and what came of it. `notes` are the sentences about what did not happen as asked."""

    recipe: Recipe
    measurement: Measurement
    layers: tuple[LayerRow, ...]
    decisions: tuple[Decision, ...]
    stages: tuple[Stage, ...]
    provenance: Provenance
    notes: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Estimate:
    """A guess between known runs, never a measurement. accuracy in [0, 1]; `source` says from what it was made."""

    accuracy: float
    file_bytes: float
    source: str


@dataclass(frozen=True)
class SensitivityPoint:
    """One layer alone at one knob value, everything else dense."""

    layer: str
    value: float
    accuracy: Accuracy
    nonzeros: int
    note: str = ""


@dataclass(frozen=True)
class Sensitivity:
    """Accuracy when each layer alone is compressed, at each knob value; grows while it is being measured.

    layers: all that will be tried; refused: layer -> why the method cannot act on it.
    """

    network: str
    dataset: str
    method: str
    knob: str
    dense: Accuracy
    points: tuple[SensitivityPoint, ...] = ()
    complete: bool = False
    layers: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerChoice:
    """The value of a knob that was chosen for one layer, and why; None where the step leaves the layer alone.

    accuracy: with this layer alone compressed so.
    """

    layer: str
    value: float | None
    accuracy: Accuracy | None
    reason: str


@dataclass(frozen=True)
class Allocation:
    """A step whose layers have values of their own, chosen from a sensitivity scan.

    tolerance: of lost accuracy, for each layer alone; lost: of the whole recipe, measured on the scan's split, or
    None while it is not measured.
    """

    step: Step
    knob: str
    tolerance: float
    choices: tuple[LayerChoice, ...]
    lost: float | None = None


def measurement_json(m: Measurement) -> dict[str, object]:
    """The keys that the command line promises."""
    accuracy = m.accuracy
    return {
        "accuracy": accuracy.accuracy,
        "accuracy_interval": list(accuracy.interval),
        "n": accuracy.n,
        "split": accuracy.split,
        "top5": accuracy.top5,
        "per_class": [{"correct": c.correct, "n": c.n} for c in accuracy.per_class],
        "file_bytes": m.file_bytes,
        "dense_bytes": m.dense_bytes,
        "compression_ratio": m.compression_ratio,
        "bytes_by_part": m.bytes_by_part,
        "parameters": m.parameters,
        "nonzeros": m.nonzeros,
        "macs": m.macs,
        "dense_macs": m.dense_macs,
        "latency_ms": None if m.latency is None else m.latency.median_ms,
        "latency": m.latency,
        "arithmetic": m.arithmetic,
    }
