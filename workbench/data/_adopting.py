"""From data as people hold them to a Dataset: parts found, checked against each other, split where they are not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from ..core.context import Batch
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ._arrays import NORMALISED, chunks, paired, scale_of
from ._dataset import SPLITS, Dataset
from ._gathered import Gathered
from ._images import listed
from ._pixels import Held, Pixels
from ._splits import carved, shuffled

_SHARE = 0.1
_PARTS = {("train", "test"), ("train", "validation", "test")}
_KEYS = {"val": "validation", "valid": "validation"}


@dataclass(frozen=True, eq=False)
class _Part:
    """images: (n, c, h, w), uint8 or floating; labels: (n,) int64."""

    images: Tensor
    labels: Tensor
    total: int
    left_out: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def class_names(owner: str, classes: Sequence[str]) -> tuple[str, ...]:
    """`classes` as they are kept; WorkbenchError when they are no names."""
    named = tuple(classes) if not isinstance(classes, str) else ()
    if len(set(named)) < max(2, len(named)) or not all(isinstance(c, str) and c for c in named):
        raise WorkbenchError(f"{owner}: classes must be two or more different names in the order of the labels.")
    return named


def check_labels(owner: str, split: str, labels: Tensor, classes: int) -> None:
    """WorkbenchError when there are none, or one is no class."""
    if not len(labels):
        raise WorkbenchError(f"{owner}: there are no {split} images in it.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise WorkbenchError(
            f"{owner}: labels must be in [0, {classes - 1}], as there are {classes} classes; those of {split} reach "
            f"from {low} to {high}."
        )


class Adopting:
    """Makes one Dataset. owner: its name, which begins every sentence."""

    def __init__(self, owner: str, classes: Sequence[str] | None, seed: int, progress: Progress) -> None:
        self.owner, self.seed, self.progress = owner, seed, progress
        self.classes = None if classes is None else class_names(owner, classes)
        self.notes: list[str] = []

    def dataset(self, data: Any) -> Dataset:
        """What `data` is, split in three; WorkbenchError in one sentence."""
        given = self._given(data)
        parts = {split: self._part(split, part) for split, part in given.items()}
        scale = self._scale(parts)
        classes = self.classes or self._found_classes(parts)
        for name, part in parts.items():
            check_labels(self.owner, name or "all", part.labels, len(classes))
        self._check_enough(parts, classes)
        split = self._split(parts)
        return Dataset(
            name=self.owner,
            title=f"{self.owner.rpartition('/')[2]} (your data)",
            classes=classes,
            input_shape=tuple(next(iter(parts.values())).images.shape[1:]),
            train=split["train"],
            validation=split["validation"],
            test=split["test"],
            source=f"Given to the workbench in this process: {_what(data)}.",
            notes=tuple(self.notes),
            left_out=tuple(broken for part in parts.values() for broken in part.left_out),
            content=_digest(parts, self.seed),
            normalised=scale == NORMALISED,
        )

    def _given(self, data: Any) -> dict[str, Any]:
        """What there is by split; "" is a single source."""
        if isinstance(data, Mapping):
            known = {_KEYS.get(key, key): part for key, part in data.items()}
            found = {split: known[split] for split in SPLITS if split in known}
            if len(found) < len(data) or tuple(found) not in _PARTS:
                keys = ", ".join(map(repr, data))
                raise WorkbenchError(
                    f"{self.owner}: the parts must be train and test, or train, validation and test; got {keys[:80]}."
                )
            return found
        if isinstance(data, tuple) and len(data) in (2, 3) and not _is_pair(data):
            return dict(zip(SPLITS if len(data) == 3 else ("train", "test"), data, strict=True))
        return {"": data}

    def _part(self, split: str, data: Any) -> _Part:
        owner = f"{self.owner}, {split}" if split else self.owner
        if isinstance(data, DataLoader):
            self._say("The dataset of the DataLoader is used; its batches, order and sampler are not.")
            data = data.dataset
        if isinstance(data, TensorDataset) and len(data.tensors) == 2:
            data = data.tensors
        if _is_pair(data):
            images, labels = paired(data[0], data[1], owner)
            found = _Part(images, labels, len(labels))
        else:
            _check_map_style(owner, data)
            items = Gathered(data, owner, self.progress)
            named, where = _classes_of(data), f"{split} " if split else ""
            broken = tuple(where + text for text in items.left_out)
            found = _Part(items.images, items.labels, len(data), broken, named)
            self.notes += listed(broken, len(data))
        if not len(found.labels):
            raise WorkbenchError(f"{owner}: there are no images in it.")
        return found

    def _scale(self, parts: dict[str, _Part]) -> str:
        scales = {split: scale_of(part.images, self.owner) for split, part in parts.items()}
        shapes = {split: tuple(part.images.shape[1:]) for split, part in parts.items()}
        for split in parts:
            if shapes[split] != shapes[next(iter(parts))]:
                raise WorkbenchError(f"{self.owner}: every part must have images of one shape; got {_spelled(shapes)}.")
            if NORMALISED in scales.values() and scales[split] != NORMALISED:
                raise WorkbenchError(
                    f"{self.owner}: the parts must be scaled alike; {split} is in [0, 1] and another is normalised."
                )
        if NORMALISED in scales.values():
            self._say("The images were normalised before they came here and are used as they are.")
        return next(iter(scales.values()))

    def _found_classes(self, parts: dict[str, _Part]) -> tuple[str, ...]:
        """The dataset's own names, else numbers up to the largest label."""
        most = 1 + max(int(part.labels.max()) for part in parts.values())
        named = next(iter(parts.values())).classes
        return named if len(named) >= most and len(set(named)) == len(named) else tuple(map(str, range(most)))

    def _check_enough(self, parts: dict[str, _Part], classes: tuple[str, ...]) -> None:
        """Every class must be there to learn from, to choose by and to test with."""
        needed = {1: 3, 2: 2, 3: 1}[len(parts)]
        here = Counter(next(iter(parts.values())).labels.tolist())
        if len(here) < 2:
            raise WorkbenchError(
                f"{self.owner}: there is one class only ({classes[next(iter(here))]}); two are needed."
            )
        absent = [name for label, name in enumerate(classes) if label not in here]
        if absent and self.classes is None:
            raise WorkbenchError(
                f"{self.owner}: labels must count from 0 without a gap; there is no training image of {absent[0]} "
                "(or give `classes`, the names by label)."
            )
        if absent:
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            self._say(f"There is no training image of {', '.join(absent[:5])}{more}.")
        poor = min(here, key=lambda label: here[label])
        if here[poor] < needed:
            raise WorkbenchError(
                f"{self.owner}: there must be {needed} or more images of every class to learn from, choose by and "
                f"test with; there are {here[poor]} of {classes[poor]}."
            )

    def _split(self, parts: dict[str, _Part]) -> dict[str, Batch]:
        """The rows of each split; what is not given is carved out of the first part, by class."""
        rows = {split: np.arange(len(part.labels)) for split, part in parts.items() if split}
        first = next(iter(parts.values()))
        labels = first.labels.numpy()
        rows["train"] = np.arange(len(labels))
        for salt, split in enumerate(SPLITS[1:]):
            if split not in rows:
                rest, part = carved(labels[rows["train"]], round(_SHARE * len(labels)), 2 * self.seed + salt)
                rows["train"], rows[split] = rows["train"][rest], shuffled(rows["train"][part], 2 * self.seed)
        sizes = "/".join(f"{len(rows[split]):,}" for split in SPLITS)
        if len(parts) == 1:
            self._say(f"Split within each class, from seed {self.seed}, into {sizes} to learn, to choose and to test.")
        elif len(parts) == 2:
            self._say(f"A tenth of train was set aside for validation, from seed {self.seed}: {sizes}.")
        return {split: _batch(parts.get(split, first), torch.from_numpy(rows[split])) for split in SPLITS}

    def _say(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


def _batch(part: _Part, rows: Tensor) -> Batch:
    return Batch(Pixels(Held(part.images, rows)), part.labels[rows])


def _is_pair(data: Any) -> bool:
    """Whether it is (images, labels) rather than (train, test)."""
    return isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[0], Tensor | np.ndarray)


def _check_map_style(owner: str, data: Any) -> None:
    known = hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, IterableDataset)
    if not known or isinstance(data, str | bytes | Mapping | Tensor | np.ndarray | Dataset):
        raise WorkbenchError(
            f"{owner}: data must be a dataset of (image, label) with a length and an index, a pair (images, labels) "
            f"of arrays, or those for train and test; got {_what(data)}."
        )


def _classes_of(data: Any) -> tuple[str, ...]:
    """What torchvision's datasets, and subsets of them, know as `classes`."""
    while not hasattr(data, "classes") and hasattr(data, "dataset"):
        data = data.dataset
    found = getattr(data, "classes", ())
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def _what(data: Any) -> str:
    return "nothing" if data is None else f"a {type(data).__name__}"


def _spelled(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{split} {shape}" for split, shape in shapes.items())


def _digest(parts: dict[str, _Part], seed: int) -> str:
    """Of pixels, labels and where they are split, whatever the layout in memory."""
    digest = hashlib.sha256(repr((sorted(parts), seed)).encode())
    for split, part in parts.items():
        digest.update(repr((split, tuple(part.images.shape), str(part.images.dtype))).encode())
        for some in chunks(part.images):
            digest.update(some.contiguous().numpy().data)
        digest.update(part.labels.contiguous().numpy().data)
    return digest.hexdigest()
