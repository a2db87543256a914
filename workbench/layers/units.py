"""Which channels are one and the same unit: a label for each, joined where channels are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from .group import IN, OUT, Group, Member

FIXED = -1
"""Label of a channel that belongs to no layer: the image's, or a constant's."""

Labels = list[int]


class Units:
    """Labels of channels, and in which dimension of which module they lie."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.pinned: dict[int, str] = {}
        self.made: dict[str, Labels] = {}
        self.places: dict[tuple[str, str], Labels] = {}

    def make(self, layer: str, count: int) -> Labels:
        """The output channels of a layer: the same ones each time it runs."""
        if layer not in self.made:
            start = len(self.parent)
            self.parent += range(start, start + count)
            self.made[layer] = list(range(start, start + count))
            self.place(layer, OUT, self.made[layer])
        return self.made[layer]

    def place(self, module: str, side: str, labels: Labels) -> None:
        """These channels meet that dimension of the module; the same ones each time it runs."""
        first = self.places.setdefault((module, side), labels)
        self.join(first, labels, f"{module} runs more than once, on different channels")

    def join(self, a: Labels, b: Labels, why: str) -> None:
        """Channels in the same position become one unit. why: what to say where one of them is fixed."""
        for x, y in zip(a, b, strict=True):
            if FIXED in (x, y):
                self.pin([z for z in (x, y) if z != FIXED], why)
            else:
                self._unite(self.find(x), self.find(y))

    def pin(self, labels: Sequence[int], why: str) -> None:
        """These channels stay."""
        for label in labels:
            if label != FIXED:
                self.pinned.setdefault(self.find(label), why)

    def find(self, label: int) -> int:
        while self.parent[label] != label:
            self.parent[label] = label = self.parent[self.parent[label]]
        return label

    def _unite(self, x: int, y: int) -> None:
        if x != y:
            self.parent[y] = x
            if y in self.pinned:
                self.pinned.setdefault(x, self.pinned[y])

    def groups(self) -> list[Group]:
        """Layers that have units in common, each set once, in the order in which they ran."""
        sets: list[tuple[list[str], set[int]]] = []
        for layer, labels in self.made.items():
            mine = [layer], {self.find(label) for label in labels}
            for other in [s for s in sets if s[1] & mine[1]]:
                sets.remove(other)
                mine = other[0] + mine[0], other[1] | mine[1]
            sets.append(mine)
        places = {place: [x if x == FIXED else self.find(x) for x in labels] for place, labels in self.places.items()}
        return [self._group(layers, places) for layers, _ in sets]

    def _group(self, layers: list[str], places: Mapping[tuple[str, str], Labels]) -> Group:
        roots = list(dict.fromkeys(self.find(label) for layer in layers for label in self.made[layer]))
        unit = {root: i for i, root in enumerate(roots)}
        partly = next((layer for layer in layers if len(self.made[layer]) != len(roots)), None)
        refusal = next((self.pinned[root] for root in roots if root in self.pinned), "")
        if partly is not None:
            refusal = refusal or f"only a part of the channels of {', '.join(layers)} is tied together"
        members = []
        for (module, side), labels in places.items():
            if any(label in unit for label in labels):
                members.append(Member(module, side, torch.tensor([unit.get(label, FIXED) for label in labels])))
        return Group(tuple(layers), len(roots), tuple(members), refusal)


def lone(layer: str, module: nn.Module, why: str) -> Group:
    """A layer that stays whole, because nothing is known about its channels."""
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    return Group((layer,), len(weight), (), why)


__all__ = ["FIXED", "IN", "OUT", "Labels", "Units", "lone"]
