"""What libraries need to be told before they work together."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch

_declared: list[torch.library.Library] = []  # what is declared lasts as long as its Library


@cache
def torchvision() -> ModuleType:
    """torchvision. Beside a torch of another build its compiled part is missing, and then its import fails on `nms`."""
    try:
        import torchvision as library
    except RuntimeError:
        _declared.append(torch.library.Library("torchvision", "DEF"))
        for operator in ("nms", "qnms"):
            _declared[0].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision as library
    found: ModuleType = library
    return found
