"""Numbers of a network against a second, independent way of getting them."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from workbench.core.context import Batch
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.records import wilson
from workbench.measure.accuracy import accuracy, anytime
from workbench.measure.counts import dense_bytes, nonzeros, parameters
from workbench.measure.evaluate import CHUNK, evaluating
from workbench.measure.latency import latency
from workbench.measure.macs import macs, total_macs


def images(n: int, *shape: int, classes: int = 10) -> Batch:
    g = torch.Generator().manual_seed(n)
    return Batch(torch.rand(n, *shape, generator=g), torch.randint(0, classes, (n,), generator=g))


def conv_net(classes: int = 10, channels: int = 1) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, classes)
    ).eval()


class Answers(nn.Module):
    """Answers with the pixels themselves: (n, 1, 1, classes) -> (n, classes)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


class Counting(nn.Module):
    """Remembers how many images it saw in each pass."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.inner.seen = Seen()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.inner.seen.passes.append(len(x))
        return self.inner(x)


class Seen:
    def __init__(self) -> None:
        self.passes: list[int] = []

    def __deepcopy__(self, memo: object) -> Seen:
        return self


def cancel_after(n: int) -> Progress:
    calls = itertools.count()
    return Progress(cancelled=lambda: next(calls) >= n)


def state(network: nn.Module) -> list[object]:
    hooks = [len(h) for m in network.modules() for h in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)]
    return [hooks, [m.training for m in network.modules()], [t.sum().item() for t in network.state_dict().values()]]


# accuracy


def test_hand_sized_answers():
    rows = [[9, 1, 0, 0, 0, 0, 0], [0, 9, 1, 2, 3, 4, 5], [1, 9, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1, 1.0]]
    labels = [0, 6, 0, 5]  # right; second best; seventh; all equal, where class 5 ranks sixth
    batch = Batch(torch.tensor(rows).view(4, 1, 1, 7), torch.tensor(labels))
    found = accuracy(Answers(), batch, split="test")
    assert (found.correct, found.n, found.total, found.split, found.complete) == (1, 4, 4, "test", True)
    assert found.top5_correct == 2
    assert [(c.correct, c.n) for c in found.per_class] == [(1, 2), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (0, 1)]
    by_hand = [np.log(np.exp(r).sum()) - r[k] for r, k in zip(np.array(rows), labels, strict=True)]
    assert found.loss == pytest.approx(np.mean(by_hand), rel=1e-12)


def test_equal_scores_rank_in_the_order_of_the_classes():
    batch = Batch(torch.zeros(100, 1, 1, 100), torch.arange(100))
    found = accuracy(Answers(), batch, split="v")
    assert (found.correct, found.top5_correct) == (1, 5)


def test_top5_against_topk_and_only_from_six_classes():
    batch = images(300, 1, 8, 8)
    network = conv_net()
    best = network(batch.images).topk(5).indices
    assert accuracy(network, batch, split="v").top5_correct == int((best == batch.labels[:, None]).sum())
    assert accuracy(conv_net(5), images(20, 1, 8, 8, classes=5), split="v").top5_correct is None


def test_against_plain_torch():
    batch, network = images(333, 1, 8, 8), conv_net()
    with torch.no_grad():
        logits = network(batch.images)
    found = accuracy(network, batch, split="v")
    assert found.correct == int((logits.argmax(1) == batch.labels).sum())
    assert found.loss == pytest.approx(nn.functional.cross_entropy(logits, batch.labels).item(), abs=1e-6)
    assert sum(c.n for c in found.per_class) == 333
    assert sum(c.correct for c in found.per_class) == found.correct


@pytest.mark.parametrize(("n", "first", "growth"), [(333, 64, 2.0), (64, 64, 2.0), (7, 64, 2.0), (50, 1, 1.01)])
def test_the_sample_grows_and_ends_as_the_full_evaluation(n, first, growth):
    batch, network = images(n, 1, 8, 8), conv_net()
    found = list(anytime(network, batch, split="v", first=first, growth=growth))
    sizes = [a.n for a in found]
    assert sizes == sorted(set(sizes))
    assert sizes[0] == min(first, n)
    assert [a.complete for a in found] == [False] * (len(found) - 1) + [True]
    full = accuracy(network, batch, split="v")
    last = found[-1]
    assert (last.correct, last.n, last.top5_correct, last.per_class) == (
        full.correct, full.n, full.top5_correct, full.per_class
    )  # fmt: skip
    assert last.loss == pytest.approx(full.loss, abs=1e-6)


@pytest.mark.parametrize(("most", "sizes"), [(63, []), (64, [64]), (130, [64, 128]), (333, [64, 128, 256, 333])])
def test_nothing_beyond_the_largest_sample_is_evaluated(most, sizes):
    network, evaluated = conv_net(), []
    network.register_forward_hook(lambda m, given, out: evaluated.append(len(out)))
    found = list(anytime(network, images(333, 1, 8, 8), split="v", most=most))
    assert [a.n for a in found] == sizes
    assert sum(evaluated) == 1 + (sizes[-1] if sizes else 0)  # one image to see whether they fit


def test_each_sample_is_a_prefix_of_one_seeded_order():
    batch, network = images(200, 1, 8, 8), conv_net()
    logits = network(batch.images)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(7))
    for found in anytime(network, batch, split="v", seed=7):
        rows = order[: found.n]
        assert found.correct == int((logits[rows].argmax(1) == batch.labels[rows]).sum())
    other = next(anytime(network, batch, split="v", seed=8))
    assert other.per_class != next(anytime(network, batch, split="v", seed=7)).per_class


def test_no_image_is_evaluated_twice():
    network = Counting(conv_net())
    list(anytime(network, images(1000, 1, 8, 8), split="v"))
    passes = network.inner.seen.passes
    assert passes[0] == 1  # whether the shapes fit
    assert sum(passes[1:]) == 1000
    assert max(passes) <= 256


def test_cancel_takes_effect_within_one_pass():
    network = Counting(conv_net())
    batch = images(20 * CHUNK, 1, 8, 8)
    with pytest.raises(Cancelled):
        accuracy(network, batch, split="v", progress=cancel_after(3))
    assert len(network.inner.seen.passes) == 1 + 3


def test_the_network_and_the_thread_are_left_alone_while_a_sample_is_looked_at():
    network = conv_net().train()
    network[1].eval()
    before = state(network)
    stream = anytime(network, images(300, 1, 8, 8), split="v")
    next(stream)
    assert state(network) == before
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    list(stream)
    assert state(network) == before
    with pytest.raises(Cancelled):
        accuracy(network, images(300, 1, 8, 8), split="v", progress=cancel_after(1))
    assert state(network) == before


def test_grey_and_coloured_images_give_the_same_in_both_layouts():
    for channels in (1, 3):
        batch, network = images(40, channels, 8, 8), conv_net(channels=channels)
        flipped = Batch(batch.images.contiguous(memory_format=torch.channels_last), batch.labels)
        assert accuracy(network, batch, split="v") == accuracy(network, flipped, split="v")


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((3, 8, 8), "Images of shape (3, 8, 8) do not fit this network: 0 takes 1 channels and is given 3."),
        ((1, 9, 12), "Images of shape (1, 9, 12) do not fit this network: 5 takes 36 values and is given 60."),
        ((1, 2, 2), "Images of shape (1, 2, 2) do not fit this network: 0 cannot take (1, 2, 2)."),
    ],
)
def test_images_that_do_not_fit_are_refused_in_one_sentence(shape, sentence):
    network = conv_net()
    before = state(network)
    with pytest.raises(WorkbenchError) as error:
        accuracy(network, images(4, *shape), split="v")
    assert str(error.value) == sentence
    assert state(network) == before


def test_batches_without_sense_are_refused():
    good = images(4, 1, 8, 8)
    with pytest.raises(WorkbenchError, match=r"Labels must lie in \[0, 2\] for this network; they span"):
        accuracy(conv_net(3), Batch(good.images, torch.tensor([0, 1, 2, 3])), split="v")
    with pytest.raises(WorkbenchError, match="one label for each"):
        accuracy(conv_net(), Batch(good.images, good.labels[:3]), split="v")
    with pytest.raises(WorkbenchError, match="one label for each"):
        next(anytime(conv_net(), Batch(good.images[:0], good.labels[:0]), split="v"))
    with pytest.raises(WorkbenchError, match="one row of class scores"):
        accuracy(nn.Identity(), good, split="v")


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (5, 5), (1, 3), (97, 100), (9871, 10000), (180, 360)])
def test_wilson_against_scipy(correct, n):
    known = binomtest(correct, n).proportion_ci(method="wilson")
    assert wilson(correct, n) == pytest.approx((known.low, known.high), abs=1e-12)


# counts


def test_counts_by_hand():
    network = conv_net()
    assert parameters(network) == 4 * 9 + 4 + 4 + 4 + 36 * 10 + 10
    assert dense_bytes(network) == 4 * (parameters(network) + 8)  # running mean and variance, not the counter
    with torch.no_grad():
        for p in network.parameters():
            p.fill_(1)
        network[5].weight[:, ::2] = 0
        network[0].bias[:] = -0.0
    assert nonzeros(network) == parameters(network) - 180 - 4


def test_a_shared_tensor_counts_once():
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    assert parameters(network) == 9 + 3 + 3
    assert dense_bytes(network) == 60


# multiply-accumulates


class Factorised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(36, 5, bias=False), nn.Linear(5, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 16, 1)
        self.skip = nn.Conv2d(8, 16, 1, stride=2)
        self.grouped = nn.Conv2d(16, 8, (3, 1), groups=4, dilation=2)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2, groups=2)
        self.again = nn.Linear(8, 8)
        self.unused = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        x = self.pointwise(self.depthwise(x)) + self.skip(x)
        x = self.up(self.grouped(x))
        return self.again(self.again(x)).flatten(1)


NETWORKS = [
    (conv_net(), (1, 8, 8)),
    (nn.Sequential(*conv_net()[:5], Factorised()), (1, 8, 8)),
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10)), (1, 8, 8)),
    (Branches(), (3, 16, 8)),
]


@pytest.mark.parametrize(("network", "shape"), NETWORKS)
def test_macs_against_torchs_flop_counter(network, shape):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    assert 2 * total_macs(network, shape) == counter.get_total_flops()


def test_macs_by_hand():
    assert macs(conv_net(), (1, 8, 8)) == {"0": 36 * 4 * 9, "5": 360}
    branches = macs(Branches(), (3, 16, 8))
    assert branches["depthwise"] == 8 * 4 * 8 * 9
    assert branches["grouped"] == 8 * 4 * 4 * (4 * 3)
    assert branches["again"] == 2 * 4 * 8 * 8 * 8
    assert branches["unused"] == 0
    assert macs(NETWORKS[1][0], (1, 8, 8)) == {"0": 36 * 36, "5.first": 180, "5.second": 50}


def test_macs_leave_the_network_as_it_was_also_after_a_failure():
    network = conv_net().train()
    before = state(network)
    macs(network, (1, 8, 8))
    assert state(network) == before
    with pytest.raises(RuntimeError):
        macs(network, (3, 8, 8))
    assert state(network) == before


# latency


def test_latency_says_what_was_timed(monkeypatch):
    ticks = itertools.accumulate(itertools.chain.from_iterable((0.5, 0.001 * k) for k in [100, 100, *range(1, 12)]))
    monkeypatch.setattr("workbench.measure.latency.time.perf_counter", lambda: next(ticks))
    before = torch.get_num_threads()
    seen = Counting(conv_net())
    found = latency(seen, (1, 8, 8), batch=3, runs=11, warmup=2, threads=1)
    assert (found.median_ms, found.low_ms, found.high_ms) == pytest.approx((6, 2, 10))
    assert (found.batch, found.threads, found.runs, found.warmup) == (3, 1, 11, 2)
    assert found.device.startswith("cpu ")
    assert seen.inner.seen.passes == [3] * 13
    assert torch.get_num_threads() == before


def test_latency_stops_and_puts_everything_back():
    network = Counting(conv_net()).train()
    before, threads = state(network), torch.get_num_threads()
    with pytest.raises(Cancelled):
        latency(network, (1, 8, 8), threads=threads + 1, progress=cancel_after(4))
    assert len(network.inner.seen.passes) == 4
    assert state(network) == before
    assert torch.get_num_threads() == threads


def test_latency_orders_a_small_and_a_large_network():
    small, large = nn.Linear(4, 4), nn.Linear(2000, 2000)
    assert latency(small, (4,), runs=9).median_ms < latency(large, (2000,), batch=64, runs=9).median_ms


def test_evaluating_restores_each_flag_after_a_failure():
    network = conv_net().train()
    network[1].eval()
    with pytest.raises(KeyError), evaluating(network):  # noqa: PT012
        assert not any(m.training for m in network.modules())
        raise KeyError
    assert [m.training for m in network] == [True, False, True, True, True, True]


def test_accuracy_from_several_threads_at_once():
    batch, network = images(300, 1, 8, 8), conv_net()
    expected, found = accuracy(network, batch, split="v"), []
    threads = [threading.Thread(target=lambda: found.append(accuracy(network, batch, split="v"))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [expected] * 4
