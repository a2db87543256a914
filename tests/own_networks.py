"""Small networks of the kind people bring: what is shared, called by hand, decided by values or out of sight."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune

SHAPE, CLASSES = (3, 12, 12), 4


class CalledTwice(nn.Module):
    """One convolution that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.again = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for _ in range(2):
            x = F.relu(self.again(x))
        return self.fc(x.mean((2, 3)))


class TiedLinear(nn.Module):
    """An encoder and a decoder with one weight, and a third use of it as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.encoder, self.decoder = nn.Conv2d(3, 2, 3, stride=3), nn.Linear(32, 32), nn.Linear(32, 32)
        self.decoder.weight = self.encoder.weight
        self.narrow, self.fc = nn.Linear(32, 8), nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.conv(x), 1)
        x = self.decoder(torch.relu(self.encoder(x)))
        x = F.linear(torch.relu(self.narrow(x)), self.narrow.weight.t())
        return self.fc(x)


class FunctionalCat(nn.Module):
    """Functions instead of modules, and a concatenation that is flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1), nn.Conv2d(6, 5, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(9 * 25, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(x)), 2)
        x = torch.cat([F.relu(self.left(x)), torch.tanh(self.right(x))], dim=1)
        x = x.view(x.size(0), -1)
        return self.fc2(F.relu(self.fc1(x)))


class Branching(nn.Module):
    """Which of two blocks runs depends on the image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.bright = nn.Sequential(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 1))
        self.dark = nn.Conv2d(6, 6, 3)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = self.bright(x) if x.mean() > 0.2 else self.dark(x)
        return self.fc(x.mean((2, 3)))


class _Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x / 2

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient / 2


class CustomFunction(nn.Module):
    """A gradient of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = _Half.apply(torch.relu(self.conv1(x)))
        return self.fc(torch.relu(self.conv2(x)).mean((2, 3)))


class BareParameter(nn.Module):
    """A convolution by hand, a gain on every channel, and a scale on all."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.gain = nn.Parameter(torch.randn(6, 3, 3, 3) / 5), nn.Parameter(torch.ones(6, 1, 1))
        self.conv1, self.conv2 = nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 1)
        self.scale, self.fc = nn.Parameter(torch.tensor(1.5)), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.conv2d(x, self.kernel))
        x = F.relu(self.conv1(x)) * self.gain
        return self.fc(F.relu(self.conv2(x)).mean((2, 3)) * self.scale)


class SequenceHead(nn.Module):
    """Rows of the map as a sequence, and a convolution over it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3), nn.Conv1d(5, CLASSES, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return self.head(x.mean(3)).mean(2)


class SqueezeExcite(nn.Module):
    """Channels weighed by what all of them say."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.down, self.up = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.last, self.fc = nn.Conv2d(8, 6, 3), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn(self.stem(x)))
        gate = torch.sigmoid(self.up(torch.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        return self.fc(torch.relu(self.last(x * gate)).mean(dim=[2, 3]))


class InvertedCat(nn.Module):
    """An inverted residual with a sum, then a concatenation with what came in, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.expand = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 12, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(12), nn.BatchNorm2d(12)
        self.depthwise, self.project = nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.Conv2d(12, 4, 1)
        self.relu, self.mix = nn.ReLU6(inplace=True), nn.Conv2d(8, 6, 1)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.project(self.relu(self.bn2(self.depthwise(self.relu(self.bn1(self.expand(x)))))))
        y += x
        return self.fc(F.relu_(self.mix(torch.cat((x, y), 1))).mean((2, 3)))


class Recurrent(nn.Module):
    """A convolution in a loop whose length is a plain number, with its own state concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 3
        self.stem, self.cell, self.fc = (
            nn.Conv2d(3, 4, 3, stride=2),
            nn.Conv2d(8, 4, 3, padding=1),
            nn.Linear(4, CLASSES),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        state = torch.zeros_like(x)
        for _ in range(self.steps):
            state = torch.tanh(self.cell(torch.cat([x, state], 1)))
        return self.fc(state.mean((2, 3)))


class PlainList(nn.Module):
    """Convolutions in a plain list, where torch does not see them: no file could hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)]
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.fc(x.mean((2, 3)))


class ListOfSeen(nn.Module):
    """The same, but torch sees them too: nothing else can take their place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, CLASSES)
        self.order = [self.conv1, self.conv2]

    def forward(self, x: Tensor) -> Tensor:
        for block in self.order:
            x = torch.relu(block(x))
        return self.fc(x.mean((2, 3)))


class Reused(nn.Module):
    """A nested block under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(block, nn.Sequential(block, nn.MaxPool2d(2)))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 36, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


class HardCoded(nn.Module):
    """Numbers of channels written into the code, and pixels that become channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3), nn.Conv2d(2, 5, 3)
        self.shuffle, self.fc = nn.PixelShuffle(2), nn.Linear(5 * 196, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shuffle(torch.relu(self.conv2(torch.relu(self.conv1(x)))))
        return self.fc(torch.relu(self.conv3(x)).view(-1, 980))


class Attentive(nn.Module):
    """Attention by hand and torch's own, over the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 8, 3)
        self.attention, self.norm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LayerNorm(8)
        self.query, self.fc = nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x)))).flatten(2).permute(0, 2, 1)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        weight = torch.einsum("ntc,nsc->nts", self.query(x), x).softmax(2)
        return self.fc((weight @ x).mean(1))


class Grouped(nn.Module):
    """Grouped and transposed convolutions, a depth multiplier, mirrored padding, an activation with weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.grouped = (
            nn.Conv2d(3, 8, 3, padding="same", padding_mode="reflect"),
            nn.Conv2d(8, 8, 3, groups=2),
        )
        self.wide, self.point, self.prelu = nn.Conv2d(8, 16, 3, groups=8), nn.Conv2d(16, 6, 1), nn.PReLU(6)
        self.up, self.last = nn.ConvTranspose2d(6, 6, 2), nn.Conv2d(6, 6, 3, padding="same", padding_mode="circular")
        self.bare, self.fc = nn.BatchNorm2d(6, affine=False), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.point(self.wide(self.grouped(self.stem(x)))))
        return self.fc(torch.relu(self.bare(self.last(self.up(x)))).mean((2, 3)))


class Standardised(nn.Conv2d):
    """A convolution of its own kind: every filter has mean 0."""

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


class Computed(nn.Module):
    """Weights that are computed: a subclass, weight_norm, a pruned one; and a table to look up in."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.normed = Standardised(3, 6, 3), nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 6, 3))
        self.pruned = prune.l1_unstructured(nn.Conv2d(6, 6, 3), "weight", 0.5)
        self.plain, self.table, self.fc = nn.Conv2d(6, 6, 1), nn.Embedding(4, 6), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.table((x.mean((1, 2, 3)) * 3.99).long())
        x = torch.relu(self.pruned(torch.relu(self.normed(torch.relu(self.own(x))))))
        return self.fc(torch.relu(self.plain(x)).mean((2, 3)) + y)


class Rows(nn.Module):
    """A recurrent layer over the rows of the map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 4, 1)
        self.gru, self.fc = nn.GRU(20, 8, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(torch.relu(self.conv1(x)))
        return self.fc(self.gru(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])


class SharedBlockNet(nn.Module):
    """A shared layer, functional calls and a concatenation: the one in the documentation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.side = nn.Conv2d(8, 6, 1)
        self.mask = nn.Parameter(torch.randn(1, 1, 3, 3) / 3)
        self.fc1, self.fc2 = nn.Linear(14 * 36, 10), nn.Linear(10, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(self.shared(F.relu(self.shared(x))))
        y = self.side(F.conv2d(x, self.mask.expand(8, 1, 3, 3), padding=1, groups=8))
        x = F.max_pool2d(torch.cat([x, y], 1), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


NETWORKS = (
    *(CalledTwice, TiedLinear, FunctionalCat, Branching, CustomFunction, BareParameter, SequenceHead, SqueezeExcite),
    *(InvertedCat, Recurrent, ListOfSeen, Reused, HardCoded, Attentive, Grouped, Computed, Rows, SharedBlockNet),
)


def made(kind: type[nn.Module]) -> nn.Module:
    """The network, seeded, its norms having seen something, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                if module.affine:
                    with torch.no_grad():
                        module.weight.uniform_(0.5, 1.5)
                        module.bias.normal_(0, 0.3)
    return network.eval()
