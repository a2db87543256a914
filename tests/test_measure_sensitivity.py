"""The shared walk must give what copying, compressing one layer and evaluating everything gives, to the last bit."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Batch
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.records import SensitivityPoint
from workbench.measure import sensitivity as module
from workbench.measure.accuracy import accuracy
from workbench.measure.counts import nonzeros
from workbench.measure.sensitivity import EARLIER, REBUILT, UNTRACED, SensitivityRefused, sensitivity

LEVELS = (0.0, 0.5, 0.9)


class Residual(nn.Module):
    """Branches, a shortcut with its own convolution, in-place activations, a tensor of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.act = nn.ReLU(inplace=True)
        self.left = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.right = nn.Conv2d(8, 8, 3, padding=1)
        self.short = nn.Conv2d(6, 8, 1, stride=2)
        self.scale = nn.Parameter(torch.full((8, 1, 1), 1.5))
        self.head = nn.Linear(8, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.stem(x)))
        y = self.right(self.left(x).relu_())
        y += self.short(x)
        return self.head((self.act(y) * self.scale).mean((2, 3)))


class Depends(nn.Module):
    """Which way it goes depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 7), nn.Linear(16, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return self.a(x) if x.sum() > 0 else self.b(x)


class Overwrites(nn.Module):
    """Reads what an in-place operation left behind, which a copy would not show."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 7), nn.Linear(7, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x.flatten(1))
        x.mul_(2)
        return self.b(x)


class Twice(nn.Module):
    """One module that runs twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(16, 16)
        self.b = self.a
        self.c = nn.Linear(16, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(self.b(self.a(x.flatten(1)).relu()).relu())


class Factors(nn.Module):
    """A linear layer of lower rank."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        u, s, vh = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
        self.first = nn.Linear(layer.in_features, rank, bias=False)
        self.second = nn.Linear(rank, layer.out_features)
        with torch.no_grad():
            self.first.weight.copy_(s[:rank, None] * vh[:rank])
            self.second.weight.copy_(u[:, :rank])
            self.second.bias.copy_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


def plain_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 20), nn.Linear(20, 7)
    )


def made(build, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network = build()
    for m in network.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.uniform_(-1, 1)
            m.running_var.uniform_(0.5, 2)
    return network.eval()


def images(n: int, *shape: int) -> Batch:
    g = torch.Generator().manual_seed(1)
    return Batch(torch.randn(n, *shape, generator=g), torch.randint(0, 7, (n,), generator=g))


def pruned(network: nn.Module):
    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        weight = model.network.get_submodule(layer).weight
        with torch.no_grad():
            weight[weight.abs() < torch.quantile(weight.abs(), level)] = 0
        return model

    return variants


def points(network, batch, variants, layers, levels=LEVELS, **more):
    return list(sensitivity(network, batch, variants=variants, layers=layers, levels=levels, split="v", **more))


def plain(network, batch, variants, layers, levels=LEVELS):
    found = []
    for layer, level in itertools.product(layers, levels):
        model = variants(layer, level)
        found.append((layer, level, accuracy(model.network, batch, split="v"), nonzeros(model.network)))
    return found


def without_notes(found):
    return [(p.layer, p.value, p.accuracy, p.nonzeros) for p in found]


def fingerprint(network):
    hooks = [len(h) for m in network.modules() for h in (m._forward_hooks, m._forward_pre_hooks)]
    tensors = {name: t.clone() for name, t in network.state_dict().items()}
    return hooks, [m.training for m in network.modules()], tensors


def assert_untouched(network, before):
    after = fingerprint(network)
    assert after[:2] == before[:2]
    assert all(torch.equal(after[2][name], before[2][name]) for name in before[2])


CASES = [
    (plain_net, (1, 8, 8), ["0", "2", "5", "6"]),
    (Residual, (1, 8, 8), ["stem", "left", "right", "short", "head"]),
    (Twice, (1, 4, 4), ["a", "c"]),
]


@pytest.mark.parametrize(("build", "shape", "layers"), CASES)
def test_equals_the_plain_loop_without_running_all(build, shape, layers):
    network, batch = made(build), images(300, *shape)
    before = fingerprint(network)
    found = points(network, batch, pruned(network), layers)
    assert without_notes(found) == plain(network, batch, pruned(network), layers)
    assert {p.note for p in found} == {""}
    assert len({p.accuracy.loss for p in found}) > len(layers)  # the levels do differ
    assert_untouched(network, before)


def test_hand_sized_network():
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        network[2].weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    batch = Batch(torch.tensor([[1.0, 2], [2, 1], [0, 1], [1, 4]]).view(4, 1, 1, 2), torch.tensor([1, 1, 0, 0]))

    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        model.network.get_submodule(layer).weight.data[0] = 0
        return model

    first, second = points(network, batch, variants, ["1", "2"], (1.0,))
    # dense answers (x2, 3 x1): classes 1 1 0 0, all right. Row 0 of layer 1 gone: (x2, 0); of layer 2: (0, 3 x1).
    assert accuracy(network, batch, split="v").correct == 4
    assert (first.accuracy.correct, first.nonzeros) == (2, 3)
    assert (second.accuracy.correct, second.nonzeros) == (3, 3)
    assert [(c.correct, c.n) for c in second.accuracy.per_class] == [(1, 2), (2, 2)]


def test_each_dense_operation_runs_once_per_chunk():
    network, batch = made(plain_net), images(300, 1, 8, 8)
    seen = Log()
    network[0].log = network[2].log = network[5].log = network[6].log = seen
    for name in ("0", "2", "5", "6"):
        network.get_submodule(name).register_forward_hook(lambda m, given, out, name=name: seen.add(name, len(out)))
    points(network, batch, pruned(network), ["0", "2", "5", "6"], (0.3, 0.6))
    # 3 chunks; once dense (not the last layer), twice for itself and twice for each layer before it; 25 to get ready
    assert {k: v - 300 * (1 if k != "6" else 0) for k, v in seen.images.items()} == {
        name: 25 + 300 * 2 * (i + 1) for i, name in enumerate(("0", "2", "5", "6"))
    }


class Log:
    def __init__(self) -> None:
        self.images: dict[str, int] = {}

    def add(self, name: str, n: int) -> None:
        self.images[name] = self.images.get(name, 0) + n

    def __deepcopy__(self, memo: object) -> Log:
        return self


def test_side_branches_are_not_run_again_for_each_level():
    network, batch = made(Residual), images(100, 1, 8, 8)
    seen = Log()
    network.short.register_forward_hook(lambda m, given, out: seen.add("short", len(out)))
    points(network, batch, pruned(network), ["left"], (0.2, 0.4, 0.6, 0.8))
    assert seen.images["short"] == 25 + 100


def test_a_factorised_replacement():
    network, batch = made(plain_net), images(200, 1, 8, 8)

    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        setattr(model.network, layer, Factors(model.network.get_submodule(layer), int(level)))
        return model

    found = points(network, batch, variants, ["5", "6"], (1, 3, 7))
    assert without_notes(found) == plain(network, batch, variants, ["5", "6"], (1, 3, 7))
    assert {p.note for p in found} == {""}
    dense = accuracy(network, batch, split="v")
    assert found[-1].accuracy.loss == pytest.approx(dense.loss, abs=1e-5)  # full rank


def test_a_factorised_network_is_walked_like_any_other():
    network, batch = made(plain_net), images(150, 1, 8, 8)
    network[5] = Factors(network[5], 9)
    network.eval()
    layers = ["5.second", "5.first", "0"]
    found = points(network, batch, pruned(network), layers)
    assert [p.layer for p in found[::3]] == ["0", "5.first", "5.second"]
    assert sorted(without_notes(found)[3:], key=str) == sorted(
        plain(network, batch, pruned(network), layers)[:6], key=str
    )
    assert {p.note for p in found} == {""}


def smaller(network: nn.Module):
    """The layer and what reads it lose filters for good."""

    def variants(layer: str, level: float) -> Compressed:
        model, keep = Compressed.of(network), int(level)
        here, after = model.network.get_submodule(layer), model.network[int(layer) + 2]
        here.out_channels = after.in_channels = keep
        here.weight, here.bias = nn.Parameter(here.weight[:keep].detach()), nn.Parameter(here.bias[:keep].detach())
        after.weight = nn.Parameter(after.weight[:, :keep].detach())
        return model

    return variants


def test_a_physically_smaller_pair():
    network, batch = made(plain_net), images(200, 1, 8, 8)
    found = points(network, batch, smaller(network), ["0"], (1, 3, 6))
    assert without_notes(found) == plain(network, batch, smaller(network), ["0"], (1, 3, 6))
    assert {p.note for p in found} == {""}
    assert found[-1].accuracy == accuracy(network, batch, split="v")


def test_a_change_before_the_layer_is_run_in_full_and_said():
    network, batch = made(plain_net), images(150, 1, 8, 8)

    def variants(layer: str, level: float) -> Compressed:
        model = pruned(network)("0", 0.5)
        model.network.get_submodule(layer).weight.data *= level
        return model

    found = points(network, batch, variants, ["2", "6"])
    assert without_notes(found) == plain(network, batch, variants, ["2", "6"])
    assert {p.note for p in found} == {EARLIER}


@pytest.mark.parametrize("build", [Depends, Overwrites])
def test_what_cannot_be_traced_is_run_in_full_and_said(build):
    network, batch = made(build), images(150, 1, 4, 4)
    found = points(network, batch, pruned(network), ["a", "b"])
    assert without_notes(found) == plain(network, batch, pruned(network), ["a", "b"])
    assert {p.note for p in found} == {UNTRACED}


class Peeks(nn.Module):
    """Can be traced, and the trace is wrong: the answer depends on how often it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(16, 7)
        self.times = Log()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.times.add("all", 1)
        return self.a(x.flatten(1)) * self.times.images["all"]


def test_a_trace_that_answers_otherwise_is_not_used():
    network = made(Peeks)
    assert {p.note for p in points(network, images(20, 1, 4, 4), pruned(network), ["a"])} == {UNTRACED}


class Settings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.power = nn.Linear(16, 7), nn.Linear(7, 7), 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x.flatten(1)) * self.power)


def test_a_setting_of_the_network_itself_counts_as_a_change():
    network, batch = made(Settings), images(50, 1, 4, 4)

    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        model.network.power = level
        return model

    found = points(network, batch, variants, ["b"], (1.0, -1.0))
    assert without_notes(found) == plain(network, batch, variants, ["b"], (1.0, -1.0))
    assert [p.note for p in found] == ["", REBUILT]
    assert found[0].accuracy.loss != found[1].accuracy.loss


def test_a_setting_of_a_layer_counts_as_a_change():
    network, batch = made(plain_net), images(50, 1, 8, 8)

    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        model.network[1] = nn.Hardtanh(0, level)
        return model

    found = points(network, batch, variants, ["0"], (0.1, 0.2))
    assert without_notes(found) == plain(network, batch, variants, ["0"], (0.1, 0.2))
    assert found[0].accuracy.loss != found[1].accuracy.loss


def test_one_of_two_names_of_a_module_is_replaced():
    network, batch = made(Twice), images(50, 1, 4, 4)

    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        model.network.a = Factors(model.network.a, int(level))
        return model

    found = points(network, batch, variants, ["a"], (1, 2))
    assert without_notes(found) == plain(network, batch, variants, ["a"], (1, 2))
    assert {p.note for p in found} == {REBUILT}


def test_one_network_changed_again_and_again():
    network, batch = made(plain_net), images(50, 1, 8, 8)
    model = Compressed.of(network)

    def variants(layer: str, level: float) -> Compressed:
        model.network[2].weight.data.copy_(network[2].weight * level)
        return model

    found = points(network, batch, variants, ["2"], (0.1, 0.2, 5.0))
    assert without_notes(found) == plain(network, batch, variants, ["2"], (0.1, 0.2, 5.0))


def test_equal_variants_and_neutral_ones_are_measured_once(monkeypatch):
    network, batch = made(plain_net), images(50, 1, 8, 8)
    runs = []
    real = module._Walk._part
    monkeypatch.setattr(module._Walk, "_part", lambda *given: runs.append(1) or real(*given))
    variants = pruned(network)
    same = points(network, batch, lambda layer, level: variants(layer, round(level)), ["0", "2"], (0.1, 0.2, 0.8, 0.9))
    assert len(runs) == 3  # dense once, each layer once
    assert same[0].accuracy == same[1].accuracy == accuracy(network, batch, split="v")


@pytest.mark.parametrize("kept", [0, 40_000, 10**9])
def test_the_numbers_do_not_depend_on_the_memory_for_activations(monkeypatch, kept):
    monkeypatch.setattr(module, "KEPT_BYTES", kept)
    network, batch = made(Residual), images(300, 1, 8, 8)
    layers = ["stem", "left", "right", "head"]
    found = points(network, batch, pruned(network), layers)
    assert without_notes(found) == plain(network, batch, pruned(network), layers)
    assert {p.note for p in found} == {""}


def test_kept_activations_stay_below_the_limit(monkeypatch):
    network, batch = made(plain_net), images(1000, 1, 8, 8)
    monkeypatch.setattr(module, "KEPT_BYTES", 3 * 128 * 6 * 36 * 4)
    walk = module._Walk(network, batch, "v")
    for layer in ("0", "2", "5", "6"):
        walk.enter(layer)
        walk.measure(pruned(network)(layer, 0.5).network, Progress())
        held = [v for known in walk.kept.values() for v in known.values.values()]
        assert 0 < sum(v.numel() * 4 for v in held) <= module.KEPT_BYTES
    assert len(walk.kept) == 8  # the last layers read little


def test_a_refused_layer_is_said_once_and_the_others_go_on():
    network, batch = made(plain_net), images(50, 1, 8, 8)

    def variants(layer: str, level: float) -> Compressed:
        if layer == "2":
            raise WorkbenchError("This layer is not taken.")
        return pruned(network)(layer, level)

    found = points(network, batch, variants, ["0", "2", "5"])
    assert found[3] == SensitivityRefused("2", "This layer is not taken.")
    assert [p.layer for p in found] == ["0", "0", "0", "2", "5", "5", "5"]


def test_notes_of_the_method_come_along():
    network, batch = made(plain_net), images(50, 1, 8, 8)

    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        model.note("Nothing was removed.")
        return model

    (point,) = points(network, batch, variants, ["0"], (0.5,))
    assert point.note == "Nothing was removed."
    assert point.accuracy == accuracy(network, batch, split="v")


def test_points_stream_and_leave_the_thread_alone():
    network, batch, asked = made(plain_net), images(50, 1, 8, 8), []
    variants = pruned(network)

    def noted(layer: str, level: float) -> Compressed:
        asked.append((layer, level))
        return variants(layer, level)

    stream = sensitivity(network, batch, variants=noted, layers=["2", "0"], levels=LEVELS, split="v")
    assert isinstance(next(stream), SensitivityPoint)
    assert asked == [("0", 0.0)]
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_cancel_within_one_level_and_nothing_left_behind():
    network, batch = made(Residual).train(), images(1280, 1, 8, 8)
    before, asked, wanted = fingerprint(network), [], [True]

    def variants(layer: str, level: float) -> Compressed:
        asked.append(level)
        wanted[0] = len(asked) < 3
        return pruned(network)(layer, level)

    found = []
    stream = sensitivity(
        network, batch, variants=variants, layers=["left"], levels=LEVELS, split="v",
        progress=Progress(cancelled=lambda: not wanted[0]),
    )  # fmt: skip
    with pytest.raises(Cancelled):
        found.extend(stream)
    assert (len(found), len(asked)) == (2, 3)
    assert_untouched(network, before)


def test_cancel_between_two_chunks():
    network, batch, seen = made(plain_net), images(1280, 1, 8, 8), Log()
    network[6].register_forward_hook(lambda m, given, out: seen.add("passes", 1))
    wanted = Progress(cancelled=lambda: seen.images.get("passes", 0) >= 4 + 3)  # four to get ready
    with pytest.raises(Cancelled):
        points(network, batch, pruned(network), ["0"], (0.5,), progress=wanted)
    assert seen.images["passes"] == 4 + 3


def test_a_tensor_of_the_network_itself_can_change():
    network, batch = made(Residual), images(100, 1, 8, 8)

    def variants(layer: str, level: float) -> Compressed:
        model = Compressed.of(network)
        model.network.scale.data *= level
        return model

    found = points(network, batch, variants, ["left"], (-1.0, 1.0))
    assert without_notes(found) == plain(network, batch, variants, ["left"], (-1.0, 1.0))
    assert found[0].accuracy.loss != found[1].accuracy.loss
    assert {p.note for p in found} == {""}


def test_progress_says_what_and_how_far():
    network, said = made(plain_net), []
    points(
        network, images(20, 1, 8, 8), pruned(network), ["0", "6"], progress=Progress(lambda *given: said.append(given))
    )
    assert said[0] == ("0 at 0", 0.0)
    assert said[4] == ("6 at 0.5", pytest.approx(4 / 6))


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(WorkbenchError, match="0 takes 1 channels and is given 3"):
        points(made(plain_net), images(4, 3, 8, 8), pruned(made(plain_net)), ["0"])


def test_a_network_that_is_changed_afterwards_is_a_copy_here():
    network, batch = made(plain_net), images(150, 1, 8, 8)
    variants = pruned(copy.deepcopy(network))
    assert points(network, batch, variants, ["0"]) == points(network, batch, pruned(network), ["0"])
