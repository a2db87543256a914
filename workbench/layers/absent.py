"""What stands where a layer was that is not needed any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Absent(nn.Module):
    """Hands on what it is given; at the end of a branch, zeros of that shape. It holds no values."""

    def __init__(self, ends: bool) -> None:
        super().__init__()
        self.ends = ends

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x) if self.ends else x

    def spec(self) -> dict[str, Any]:
        """Plain data for `of_spec`."""
        return {"ends": self.ends}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> Absent:
        return cls(bool(spec["ends"]))
