"""Masked equals removed, tried out before anybody relies on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..core.compressed import copied
from .group import Group
from .shrink import kept_positions, shrink, silence
from .watch import beside, tensors_in

_STOPS = "the network stops without a unit of it"
_COUNTS = "taking units out changes more than their own share, so something behind them counts or compares channels"
_TOGETHER = "taking its units out together with those of other layers changes more than their own share"


_LARGE = 3 * 64 * 64


class Trial:
    """A network and two images on which groups are tried.

    In 64-bit floats, so that a difference cannot be taken for rounding, unless the images are large or the network asks
    for 32 bits.
    """

    def __init__(self, network: nn.Module, input_shape: Sequence[int]) -> None:
        image = torch.rand(2, *input_shape, generator=torch.Generator().manual_seed(0))
        self.network, self.image, self.tolerance = copied(network).double(), image.double(), 1e-8
        if math.prod(input_shape) > _LARGE or not self._runs():
            self.network, self.image, self.tolerance = copied(network), image, 1e-4

    def _runs(self) -> bool:
        try:
            self._run(self.network)
        except Exception:  # anybody's forward
            return False
        return True

    def tried(self, groups: Sequence[Group]) -> list[Group]:
        """`groups`, refused where removing units stops the network or is not the same as silencing them.

        All are tried at once; only when that goes wrong each one is.
        """
        if not self.differ([g for g in groups if not g.refusal]):
            return list(groups)
        groups = [g if g.refusal else replace(g, refusal=self._why_whole(g)) for g in groups]
        good: list[Group] = []
        alone = not self.differ([g for g in groups if not g.refusal])
        for i, group in enumerate(groups):
            if not group.refusal and not alone and self.differ([*good, group]):
                groups[i] = replace(group, refusal=_TOGETHER)
            elif not group.refusal:
                good.append(group)
        return list(groups)

    def differ(self, groups: Sequence[Group]) -> bool:
        """Whether every third unit removed and every third unit silenced are two different networks."""
        if not groups:
            return False
        choices = [(group, torch.arange(group.count) % 3 != 1) for group in groups]
        silenced, smaller = copied(self.network), beside(self.network)
        for group, keep in choices:
            silence(silenced, group, keep)
        try:
            shrink(smaller, kept_positions(choices))
            a, b = self._run(silenced), self._run(smaller)
        except Exception:  # anybody's forward, on shapes it was not written for
            return True
        return [t.shape for t in a] != [t.shape for t in b] or not all(map(self._close, a, b))

    def _close(self, a: Tensor, b: Tensor) -> bool:
        return torch.allclose(a, b, rtol=10 * self.tolerance, atol=self.tolerance * float(a.abs().max()))

    def _why_whole(self, group: Group) -> str:
        smaller, keep = beside(self.network), torch.arange(group.count) > 0
        try:
            shrink(smaller, kept_positions([(group, keep)]))
            answer = self._run(smaller)
        except Exception as error:
            return f"{_STOPS} ({(str(error) or type(error).__name__).splitlines()[0]})"
        if [t.shape for t in answer] != [t.shape for t in self._run(self.network)]:
            return "it gives the network's answer, one unit for each class"
        return _COUNTS if self.differ([group]) else ""

    def _run(self, network: nn.Module) -> list[Tensor]:
        with torch.no_grad():
            return tensors_in(network(self.image.clone()))
