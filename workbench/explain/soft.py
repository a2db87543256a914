"""The teacher's soft targets, and the examples on which they changed the student."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..core.context import Batch
from ..core.paired import Pairs
from ..core.progress import Progress
from ..core.soft import SoftTargets, Taught, TaughtImage, softened
from ..core.values import Array
from .answers import answers_of
from .pictures import pictures

MOST, SHOWN = 5000, 12
LOOKED_AT = (1.0, 2.0, 4.0, 8.0, 20.0)
"""Temperatures whose most undecided images come with a picture."""
_PIECE = 256


def soft_targets(teacher: nn.Module, batch: Batch, *, split: str, progress: Progress) -> SoftTargets:
    """The scores of the first MOST images. WorkbenchError when they do not fit; Cancelled within one forward pass."""
    indices = torch.arange(min(len(batch.labels), MOST))
    logits = _answers(teacher, batch, indices, progress)
    found = SoftTargets(split, indices.numpy(), batch.labels[indices].numpy(), logits)
    top = {int(i) for t in LOOKED_AT for i in np.argsort(-found.second(t), kind="stable")[:SHOWN]}
    return SoftTargets(split, found.indices, found.labels, logits, pictures(batch, sorted(top)))


def taught(
    teacher: nn.Module,
    students: tuple[nn.Module, nn.Module],
    batch: Batch,
    *,
    split: str,
    temperature: float,
    weight: float,
    progress: Progress,
) -> Taught:
    """students: by labels alone, and with the teacher. Errors as for `soft_targets`."""
    indices = torch.arange(len(batch.labels))
    logits = [_answers(network, batch, indices, progress) for network in (teacher, *students)]
    truth = batch.labels.numpy()
    said = [softened(z, 1.0)[indices.numpy(), truth] for z in logits]
    answers = np.stack([z.argmax(1) for z in logits], 1)
    order = np.argsort(-np.abs(said[2] - said[1]), kind="stable")
    images = tuple(_image(int(i), int(truth[i]), [float(p[i]) for p in said], answers[i].tolist()) for i in order)
    target = softened(logits[0], temperature)
    return Taught(
        split=split,
        n=len(truth),
        temperature=temperature,
        weight=weight,
        pairs=_pairs(answers[:, 1] == truth, answers[:, 2] == truth),
        divergence=(_bits(target, logits[1], temperature), _bits(target, logits[2], temperature)),
        images=images,
        pictures=pictures(batch, [image.index for image in images[: 3 * SHOWN]]),
    )


def _answers(network: nn.Module, batch: Batch, indices: Tensor, progress: Progress) -> Array:
    known = answers_of(network, batch)
    for start in range(0, len(indices), _PIECE):
        progress("asking the networks", start / len(indices))
        known.at(indices[start : start + _PIECE], progress)
    return known.at(indices, progress).numpy().copy()


def _image(index: int, label: int, said: list[float], answers: list[int]) -> TaughtImage:
    """said, answers: of the teacher, the student by labels alone, and that with the teacher."""
    return TaughtImage(index, label, said[0], said[1], said[2], (answers[0], answers[1], answers[2]))


def _pairs(before: Array, after: Array) -> Pairs:
    both, gained = int((before & after).sum()), int((~before & after).sum())
    lost = int((before & ~after).sum())
    return Pairs(both, lost, gained, len(before) - both - lost - gained)


def _bits(target: Array, logits: Array, temperature: float) -> float:
    """Mean KL(target || softened answers) in bits."""
    q = np.maximum(softened(logits, temperature), 1e-300)
    return float((target * (np.log2(np.maximum(target, 1e-300)) - np.log2(q))).sum(1).mean())
