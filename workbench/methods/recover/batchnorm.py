"""BatchNorm re-estimation: after compressing, the maps have other means and variances than the ones stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from ...core.compressed import Compressed
from ...core.context import Batch, Context
from ...core.errors import WorkbenchError
from ...core.knob import knob
from ...core.method import ModelMethod
from ...core.order import TRAINING

_CHUNK = 64
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True)
class BatchNorm(ModelMethod):
    """Count the running mean and variance of every BatchNorm anew, on training images and without their labels.

    The average over chunks of 64 images, each weighted alike. No weight changes.
    """

    title = "BatchNorm re-estimation"
    citation = "Li, Wang, Shi, Hou, Liu 2018, Adaptive batch normalization, Pattern Recognition 80; arXiv:1603.04779"
    sets = TRAINING
    axis = "images"
    needs = ("calibration",)
    excused = {
        "neutral": "the statistics are always those of the images that it is given",
        "monotone": "other statistics take as many bytes",
    }

    images: int = knob(256, "training images that are looked at", low=32, high=256, step=32, whole=True)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        context.progress(self.title, 0.0)
        if not any(isinstance(module, _NORMS) for module in model.network.modules()):
            model.note(f"{self.id()} changed nothing: this network has no BatchNorm.")
            return model
        images = self._lent(context).images[: self.images]
        parts = [part for part in images.split(_CHUNK) if len(part) == min(_CHUNK, len(images))]
        with _counting(model.network), torch.no_grad():
            for i, part in enumerate(parts):
                context.progress(self.title, i / len(parts))
                model.network(part)
        return model

    def _lent(self, context: Context) -> Batch:
        if context.calibration is None:
            raise WorkbenchError(f"{self.id()} looks at images, and was run without a dataset.")
        return context.calibration


@contextmanager
def _counting(network: nn.Module) -> Iterator[None]:
    """Every BatchNorm starts afresh and averages over the batches it sees; all else runs as in eval mode."""
    norms = [module for module in network.modules() if isinstance(module, _NORMS) and module.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's spelling of a plain average
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
