"""Small random shifts, turns and changes of size, for a whole batch at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .settings import TrainSettings


def moved(images: Tensor, settings: TrainSettings, generator: torch.Generator) -> Tensor:
    """Each image moved on its own; what comes in at the border is 0. images: (n, c, h, w) -> same shape.

    With shift, rotation and scale all 0 the images themselves.
    """
    if not (settings.shift or settings.rotation or settings.scale):
        return images
    grid = F.affine_grid(_maps(images.shape, settings, generator), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _maps(shape: torch.Size, settings: TrainSettings, generator: torch.Generator) -> Tensor:
    """Where each output pixel looks in the input, in the unit square's coordinates: (n, 2, 3)."""
    n, _, height, width = shape
    turn, grow, down, right = 2 * torch.rand(4, n, generator=generator) - 1
    angle = turn * math.radians(settings.rotation)
    cos, sin = (f(angle) / (1 + grow * settings.scale) for f in (torch.cos, torch.sin))
    across, along = right * settings.shift * 2 / width, down * settings.shift * 2 / height
    skew = height / width
    rows = [torch.stack([cos, -sin * skew, across], 1), torch.stack([sin / skew, cos, along], 1)]
    return torch.stack(rows, 1)
