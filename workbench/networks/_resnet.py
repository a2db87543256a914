"""The residual networks for 32x32 images of He et al. 2016, section 4.2: 6n + 2 layers, 16, 32 and 64 filters.

The paper pads a shortcut with zero channels where the widths change (its option A, 0.27 M parameters at 20 layers).
Here it is a 1x1 convolution with BatchNorm (option B): zero channels would tie filters to places that no filter fills.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from ._parts import scores_of

CITATION = "He, Zhang, Ren and Sun 2016, Deep residual learning for image recognition, arXiv:1512.03385."


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut. (n, cin, h, w) -> (n, cout, h / stride, w / stride)."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(
                OrderedDict(conv=nn.Conv2d(cin, cout, 1, stride, bias=False), bn=nn.BatchNorm2d(cout))
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu2(y + self.shortcut(x))
        return out


def resnet(blocks: int, classes: int = 10, channels: int = 3) -> nn.Module:
    """(n, channels, h, w) -> (n, classes) logits; 6 * blocks + 2 layers with weights, shortcuts not counted."""
    parts = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(channels, 16, 3, 1, 1, bias=False), bn1=nn.BatchNorm2d(16), relu1=nn.ReLU()
    )
    cin = 16
    for stage, width in enumerate((16, 32, 64), 1):
        strides = [1 if stage == 1 else 2] + [1] * (blocks - 1)
        widths = [cin, *[width] * (blocks - 1)]
        parts[f"stage{stage}"] = nn.Sequential(*(Block(c, width, s) for c, s in zip(widths, strides, strict=True)))
        cin = width
    return nn.Sequential(parts | scores_of(cin, classes))
