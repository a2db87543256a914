"""An image cut into patches of neighbouring, similar pixels, each of which can be taken away as a whole."""

from __future__ import annotations

import torch
from torch import Tensor

COUNT = 49
_ROUNDS = 8
_COLOUR = 2.0


def segments(image: Tensor, count: int = COUNT) -> Tensor:
    """(channels, height, width) -> (height, width) int64, numbered from 0 without gaps; about `count` patches.

    K-means over place and colour from a regular grid, the idea of Achanta et al. 2012, SLIC superpixels.
    """
    height, width = image.shape[-2:]
    side = (height * width / count) ** 0.5
    rows, columns = (max(1, round(size / side)) for size in (height, width))
    places = torch.cartesian_prod(torch.arange(height).float(), torch.arange(width).float()) / side
    colours = image.detach().flatten(1).T.float()
    spread = (colours.max() - colours.min()).clamp_min(1e-12)
    points = torch.cat([places, _COLOUR * colours / spread], 1)
    own = (places * side)[:, 0].mul(rows / height).long() * columns + (places * side)[:, 1].mul(columns / width).long()
    for _ in range(_ROUNDS):
        sizes = torch.bincount(own, minlength=rows * columns)
        sums = torch.zeros(rows * columns, points.shape[1]).index_add_(0, own, points)
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp_min(1)[:, None], torch.inf)
        own = torch.cdist(points, centres.nan_to_num(posinf=1e6)).argmin(1)
    patches: Tensor = torch.unique(own, return_inverse=True)[1]
    return patches.reshape(height, width)
