"""Which answers changed, of which classes, and whether the average hides it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..core.context import Batch
from ..core.costs import SURE, ClassChange, Costs, Flip
from ..core.paired import Pairs, holm, mcnemar
from ..core.progress import Progress
from ..core.values import Array
from .answers import answers_of, shuffled
from .pictures import pictures

FIRST, GROWTH = 512, 4
SHOWN = 400
"""Flips that come with their picture."""


def costs(
    dense: nn.Module,
    compressed: nn.Module,
    batch: Batch,
    *,
    split: str,
    file: bool = False,
    progress: Progress | None = None,
) -> Iterator[Costs]:
    """Both networks on a growing random part of the batch, at last on all of it. Neither network is changed.

    file: whether `compressed` was read from a file. WorkbenchError when the images do not fit, Cancelled within one
    forward pass.
    """
    progress, order = progress or Progress(), shuffled(len(batch.labels))
    ours, theirs = answers_of(dense, batch), answers_of(compressed, batch)
    done, target = 0, min(FIRST, len(order))
    while done < len(order):
        for start in range(done, target, 256):
            progress("comparing the answers", start / len(order))
            rows = order[start : min(start + 256, target)]
            ours.at(rows, progress), theirs.at(rows, progress)
        done, target = target, min(GROWTH * target, len(order))
        seen = order[:done].sort().values
        before, after = ours.at(seen, progress), theirs.at(seen, progress)
        found = costs_of(before, after, batch.labels[seen], indices=seen, total=len(order), split=split, file=file)
        yield replace(found, pictures=pictures(batch, [flip.index for flip in found.flips[:SHOWN]]))


def costs_of(
    dense: Tensor,
    compressed: Tensor,
    labels: Tensor,
    *,
    indices: Tensor | None = None,
    total: int | None = None,
    split: str = "validation",
    file: bool = False,
) -> Costs:
    """The record from the answers. dense, compressed: (n, classes) logits; labels: (n,); indices: (n,) in the split."""
    n, classes = dense.shape
    indices = torch.arange(n) if indices is None else indices
    first, second = dense.argmax(1).numpy(), compressed.argmax(1).numpy()
    truth = labels.numpy()
    changes, level = _classes(first == truth, second == truth, truth, classes)
    before, after = (_confusion(truth, answer, classes) for answer in (first, second))
    sure, cells = _sure_cells(truth, first, second, classes)
    return Costs(
        split=split,
        n=n,
        total=n if total is None else total,
        pairs=_pairs(first == truth, second == truth),
        classes=changes,
        level=level,
        flips=_flips(dense, compressed, labels, indices),
        before=before,
        after=after,
        sure=sure,
        cells=cells,
        file=file,
    )


def _pairs(before: Array, after: Array) -> Pairs:
    """before, after: (n,) bool, whether the answer was right."""
    counts = ((before & after), (before & ~after), (~before & after), (~before & ~after))
    return Pairs(*(int(which.sum()) for which in counts))


def _classes(before: Array, after: Array, truth: Array, classes: int) -> tuple[tuple[ClassChange, ...], float]:
    """Every class that has images, with intervals for as many at once (Bonferroni)."""
    own = {label: _pairs(before[truth == label], after[truth == label]) for label in range(classes)}
    own = {label: pairs for label, pairs in own.items() if pairs.n}
    level = 1 - SURE / max(len(own), 1)
    adjusted = holm([pairs.p_value for pairs in own.values()])
    found = (
        ClassChange(label, pairs, *pairs.interval(level), p)
        for (label, pairs), p in zip(own.items(), adjusted, strict=True)
    )
    return tuple(found), level


def _confusion(truth: Array, answers: Array, classes: int) -> Array:
    """(classes, classes) int64: images of each class, in rows, by answer."""
    counts: Array = np.bincount(truth * classes + answers, minlength=classes * classes).reshape(classes, classes)
    return counts


def _sure_cells(truth: Array, first: Array, second: Array, classes: int) -> tuple[Array, int]:
    """Which cells of the confusion have surely changed, and of how many that could have.

    Of one cell, the images that left it are weighed against those that came: McNemar's test on "is this the answer".
    Cells that nothing left or entered are no test at all and are not counted.
    """
    flipped = first != second
    left = _confusion(truth[flipped], first[flipped], classes).ravel()
    came = _confusion(truth[flipped], second[flipped], classes).ravel()
    touched = np.flatnonzero(left + came)
    adjusted = holm([mcnemar(int(left[cell]), int(came[cell])) for cell in touched])
    sure = np.zeros(classes * classes, bool)
    sure[touched] = np.asarray(adjusted) < SURE
    return sure.reshape(classes, classes), len(touched)


def _flips(dense: Tensor, compressed: Tensor, labels: Tensor, indices: Tensor) -> tuple[Flip, ...]:
    first, second = dense.argmax(1), compressed.argmax(1)
    rows = (first != second).nonzero()[:, 0]
    p, q = dense[rows].double().softmax(1), compressed[rows].double().softmax(1)
    at = torch.arange(len(rows))
    numbers = (
        indices[rows], labels[rows], first[rows], second[rows],
        p[at, first[rows]], q[at, second[rows]], q[at, first[rows]],
    )  # fmt: skip
    found = (Flip(*values) for values in zip(*(column.tolist() for column in numbers), strict=True))
    return tuple(sorted(found, key=lambda flip: (-flip.lost, flip.index)))
