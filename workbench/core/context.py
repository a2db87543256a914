"""What a method may use besides the network: data, the teacher, training lent by the caller, a seed, a way to stop."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from .compressed import Compressed, Layer
from .errors import WorkbenchError
from .knob import Value
from .progress import Progress
from .recipe import Step, covers

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits, labels, images) -> scalar."""


class Fit(Protocol):
    """Training that the caller lends to a method; a method never imports the trainer."""

    def __call__(
        self, model: Compressed, context: Context, *, epochs: int, learning_rate: float, loss: Loss | None = None
    ) -> Compressed:
        """`model` after `epochs` over the training split.

        Entries that are not stored stay zero; where values are codes, the codes stay and their real parameters
        (codebook, scales) are trained. loss: cross-entropy when None.
        """
        ...


@dataclass(frozen=True)
class Batch:
    """images: (n, channels, height, width) float32; labels: (n,) int64."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Context:
    """Lent to a step while it runs. input_shape: (channels, height, width); layers: None for all.

    per_layer: the knobs of the step that have another value in a layer, as in Step. networks: any network that is
    trained on the same data, by its name; not to be changed.
    """

    input_shape: tuple[int, ...]
    seed: int = 0
    layers: tuple[str, ...] | None = None
    per_layer: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    calibration: Batch | None = None
    teacher: nn.Module | None = None
    networks: Callable[[str], nn.Module] | None = None
    fit: Fit | None = None
    progress: Progress = field(default_factory=Progress)

    def generator(self, *salt: object) -> torch.Generator:
        """A random generator of its own for each use; the same seed and salt give the same draws."""
        word = zlib.crc32(repr((self.seed, *salt)).encode())
        return torch.Generator().manual_seed(word)

    def wants(self, layer: Layer) -> bool:
        """Whether the step is meant to act on `layer`."""
        return self.layers is None or any(covers(name, layer.name) for name in self.layers)

    def own(self, layer: str) -> dict[str, Value]:
        """The step's knobs that have another value in the layer of this name."""
        found: dict[str, Value] = {}
        for name, knobs in self.per_layer.items():
            if covers(name, layer):
                found |= knobs
        return found

    def lent_fit(self, owner: str) -> Fit:
        """The trainer; WorkbenchError when the caller lent none."""
        if self.fit is None:
            raise WorkbenchError(f"{owner} trains, and was run without a dataset to train on.")
        return self.fit

    def lent_teacher(self, owner: str, name: str = "") -> nn.Module:
        """The dense network, or the one of this name; WorkbenchError when the caller lent none, or none like that."""
        teacher = self._named(owner, name) if name else self.teacher
        if teacher is None:
            raise WorkbenchError(f"{owner} learns from a teacher, and was run without one.")
        return teacher

    def _named(self, owner: str, name: str) -> nn.Module | None:
        try:
            return None if self.networks is None else self.networks(name)
        except WorkbenchError as error:
            raise WorkbenchError(f"{owner}: {name} cannot be the teacher: {error}") from None

    def of_step(self, step: Step, progress: Progress) -> Context:
        """What one step of a recipe may use."""
        return replace(self, layers=step.layers, per_layer=step.per_layer, progress=progress)

    def with_progress(self, progress: Progress) -> Context:
        return replace(self, progress=progress)
