"""Random cut-outs, mirror images, shifts, turns and changes of size, for a whole batch at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .settings import TrainSettings


def moved(images: Tensor, settings: TrainSettings, generator: torch.Generator) -> Tensor:
    """Each image moved on its own; what comes in at the border is 0. images: (n, c, h, w) -> same shape.

    With crop, flip, shift, rotation and scale all off the images themselves. What is drawn is drawn on the CPU, so that
    it is the same on every device; the moving is done where the images are.
    """
    if settings.crop or settings.flip:
        images = _cut_out(images, settings, generator)
    if not (settings.shift or settings.rotation or settings.scale):
        return images
    maps = _maps(images.shape, settings, generator).to(images.device)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _cut_out(images: Tensor, settings: TrainSettings, generator: torch.Generator) -> Tensor:
    """Whole pixels only, so nothing is smoothed (He et al. 2016): a window of the padded image, perhaps mirrored."""
    n, channels, height, width = images.shape
    top, left = torch.randint(2 * settings.crop + 1, (2, n, 1), generator=generator)
    mirrored = torch.randint(2, (n, 1), generator=generator).bool() & settings.flip
    rows, columns = top + torch.arange(height), torch.arange(width)
    columns = left + torch.where(mirrored, width - 1 - columns, columns)
    padded = F.pad(images, [settings.crop] * 4)
    image, channel = torch.arange(n).view(n, 1, 1, 1), torch.arange(channels).view(1, channels, 1, 1)
    where = (image, channel, rows[:, None, :, None], columns[:, None, None, :])
    return padded[tuple(index.to(images.device) for index in where)]


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
