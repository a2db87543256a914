"""Parameters and multiply-accumulates: worked out by hand, against torchvision, and against papers and surveys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from workbench.compat import torchvision
from workbench.core.errors import WorkbenchError
from workbench.measure.counts import parameters
from workbench.measure.macs import total_macs
from workbench.networks import build, digest_of, network_named, networks, pretrained, weights_info
from workbench.networks._counts import counts
from workbench.networks._parts import width_of
from workbench.networks.densenet_small import densenet
from workbench.networks.mobilenet_v1 import mobilenet_v1
from workbench.networks.mobilenet_v2 import mobilenet_v2
from workbench.networks.shufflenet_v2 import shufflenet_v2
from workbench.networks.squeezenet import squeezenet


class Rows(NamedTuple):
    """Learned values and multiply-accumulates of some layers."""

    parameters: int
    macs: int

    def __add__(self, other: Rows) -> Rows:  # type: ignore[override]
        return Rows(self.parameters + other.parameters, self.macs + other.macs)

    def __mul__(self, times: int) -> Rows:  # type: ignore[override]
        return Rows(self.parameters * times, self.macs * times)


def layer(cin: int, cout: int, kernel: int = 1, side: int = 1, *, groups: int = 1, per: int = 2) -> Rows:
    """side: of the result. per: values per output besides the weights: 2 for BatchNorm, 1 for a bias."""
    weights = kernel * kernel * (cin // groups) * cout
    return Rows(weights + per * cout, weights * side * side)


def total(rows: list[Rows]) -> tuple[int, int]:
    return tuple(sum(rows, Rows(0, 0)))  # type: ignore[arg-type]


def resnet(n: int) -> list[Rows]:
    stages = [
        layer(c, 2 * c, 3, s) + layer(2 * c, 2 * c, 3, s) * (2 * n - 1) + layer(c, 2 * c, 1, s)
        for c, s in ((16, 16), (32, 8))
    ]
    return [layer(3, 16, 3, 32), layer(16, 16, 3, 32) * (2 * n), *stages, layer(64, 10, per=1)]


def vgg(widths: list[list[int]], hidden: int, side: int) -> list[Rows]:
    rows, cin = [], 3
    for stage, filters in enumerate(widths):
        for cout in filters:
            rows.append(layer(cin, cout, 3, 32 >> stage))
            cin = cout
    return [*rows, layer(cin * side**2, hidden), layer(hidden, 10, per=1)]


def nin() -> list[Rows]:
    first = [layer(3, 192, 5, 32, per=1), layer(192, 160, 1, 32, per=1), layer(160, 96, 1, 32, per=1)]
    second = [layer(96, 192, 5, 16, per=1), layer(192, 192, 1, 16, per=1) * 2]
    return [*first, *second, *(layer(192, c, k, 8, per=1) for c, k in ((192, 3), (192, 1), (10, 1)))]


def separable() -> list[Rows]:
    plan = [(32, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 512, 4)]
    plan += [(512, 512, 4)] * 5 + [(512, 1024, 2), (1024, 1024, 2)]
    pairs = [layer(a, a, 3, s, groups=a) + layer(a, b, 1, s) for a, b, s in plan]
    return [layer(3, 32, 3, 32), *pairs, layer(1024, 10, per=1)]


def inverted() -> list[Rows]:
    rows = [layer(3, 16, 3, 32), layer(16, 16, 3, 32, groups=16), layer(16, 8, 1, 32)]
    cin, before = 8, 32
    for cout, blocks, side in ((16, 2, 16), (16, 3, 8), (32, 4, 4), (48, 3, 4), (80, 3, 4), (160, 1, 4)):
        for _ in range(blocks):
            wide = 6 * cin
            rows += [layer(cin, wide, 1, before), layer(wide, wide, 3, side, groups=wide), layer(wide, cout, 1, side)]
            cin, before = cout, side
    return [*rows, layer(160, 640, 1, 4), layer(640, 10, per=1)]


def fires() -> list[Rows]:
    """Ci * s + s * e1 + 9 * s * e3 and biases, as the catalogue of methods has it."""
    rows, cin = [layer(3, 64, 3, 32, per=1)], 64
    for narrow, wide, side in ((16, 64, 16), (16, 64, 16), (32, 128, 8), (32, 128, 8), *[(48, 192, 4)] * 2):
        rows += [layer(cin, narrow, 1, side, per=1), layer(narrow, wide, 1, side, per=1)]
        rows.append(layer(narrow, wide, 3, side, per=1))
        cin = 2 * wide
    for cin in (384, 512):
        rows += [layer(cin, 64, 1, 4, per=1), layer(64, 256, 1, 4, per=1), layer(64, 256, 3, 4, per=1)]
    return [*rows, layer(512, 10, 1, 4, per=1)]


def shuffled() -> list[Rows]:
    def branch(cin: int, c: int, before: int, side: int) -> Rows:
        return layer(cin, c, 1, before) + layer(c, c, 3, side, groups=c) + layer(c, c, 1, side)

    rows, cin = [layer(3, 24, 3, 32)], 24
    for cout, units, side in ((116, 4, 16), (232, 8, 8), (464, 4, 4)):
        half = cout // 2
        rows += [layer(cin, cin, 3, side, groups=cin), layer(cin, half, 1, side), branch(cin, half, 2 * side, side)]
        rows.append(branch(half, half, side, side) * (units - 1))
        cin = cout
    return [*rows, layer(464, 1024, 1, 4), layer(1024, 10, per=1)]


def dense() -> list[Rows]:
    rows, channels = [layer(3, 24, 3, 32, per=0)], 24
    for side in (32, 16, 8):
        for _ in range(6):
            rows += [layer(channels, 48, 1, side), Rows(2 * channels, 0), layer(48, 12, 3, side, per=0)]
            channels += 12
        rows.append(Rows(2 * channels, 0))
        if side > 8:
            rows.append(layer(channels, channels // 2, 1, side, per=0))
            channels //= 2
    return [*rows, layer(channels, 10, per=1)]


def original_alexnet() -> list[Rows]:
    convolutions = [layer(96, 256, 5, 27, groups=2, per=1), layer(256, 384, 3, 13, per=1)]
    convolutions += [layer(384, 384, 3, 13, groups=2, per=1), layer(384, 256, 3, 13, groups=2, per=1)]
    linear = [layer(256 * 36, 4096, per=1), layer(4096, 4096, per=1), layer(4096, 1000, per=1)]
    return [layer(3, 96, 11, 55, per=1), *convolutions, *linear]


BY_HAND: dict[str, Callable[[], list[Rows]]] = {
    "resnet20": lambda: resnet(3),
    "resnet56": lambda: resnet(9),
    "vgg_small": lambda: vgg([[48] * 2, [96] * 2, [192] * 2], 128, 4),
    "vgg16": lambda: vgg([[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3], 512, 1),
    "nin": nin,
    "mobilenet_v1": separable,
    "mobilenet_v2": inverted,
    "squeezenet": fires,
    "shufflenet_v2": shuffled,
    "densenet_small": dense,
    "alexnet": original_alexnet,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_costs_by_hand(name: str) -> None:
    spec = network_named(name)
    assert (spec.parameters, spec.macs) == total(BY_HAND[name]())


def test_every_network_is_worked_out_by_hand() -> None:
    lenets = {"lenet5", "lenet5_1998", "lenet_300_100"}
    assert set(networks()) == set(BY_HAND) | lenets


@pytest.mark.parametrize("name", ["lenet5", "mobilenet_v2", "squeezenet"])
def test_counting_without_memory_agrees_with_measuring(name: str) -> None:
    spec, network = network_named(name), build(name)
    assert counts(spec.build, spec.input_shape) == (spec.parameters, spec.macs)
    assert (parameters(network), total_macs(network, spec.input_shape)) == (spec.parameters, spec.macs)


def test_figures_of_papers_and_surveys() -> None:
    """Where a survey disagrees, the paper's figure and ours agree."""
    known = {name: (round(s.parameters / 1e6, 2), round(s.macs / 1e6)) for name, s in networks().items()}
    assert known["resnet20"] == (0.27, 41) and known["resnet56"] == (0.86, 126)
    assert known["vgg16"] == (14.99, 313)  # Li et al. 2017: 1.5e7 and 3.13e8
    assert known["nin"] == (0.97, 222)
    assert known["alexnet"] == (60.97, 724)  # one survey: 729 MFLOPs; they are multiply-accumulates
    linear = sum(p.numel() for n, p in meta("alexnet").named_parameters() if n.startswith("fc"))
    assert round(linear / networks()["alexnet"].parameters, 3) == 0.962


@pytest.mark.parametrize("name", networks())
def test_the_readme_has_these_figures(name: str) -> None:
    spec = network_named(name)
    shape = "x".join(map(str, spec.input_shape))
    row = f"| `{name}` | {spec.title} | {shape} | {spec.parameters:,} | {spec.macs:,} |"
    assert row in (Path(__file__).parents[1] / "README.md").read_text()


def meta(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return network_named(name).build()


IMAGENET_V1 = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


@pytest.mark.parametrize(
    ("width", "millions", "macs"), [(1.0, 4.2, 569), (0.75, 2.6, 325), (0.5, 1.3, 149), (0.25, 0.5, 41)]
)
def test_widths_of_mobilenet_v1_are_the_papers(width: float, millions: float, macs: int) -> None:
    """Howard et al. 2017, table 6, at 224x224 in 1,000 classes."""
    found = counts(lambda: mobilenet_v1(width, 1000, strides=IMAGENET_V1), (3, 224, 224))
    assert round(found[0] / 1e6, 1) == millions and round(found[1] / 1e6) == macs


def test_a_width_by_name() -> None:
    half = network_named("mobilenet_v1:0.5")
    assert half.name == "mobilenet_v1:0.5" and half.title.endswith("width 0.5")
    assert 0.25 < half.parameters / network_named("mobilenet_v1").parameters < 0.27  # about the width squared
    network = build("mobilenet_v1:0.5")
    assert (parameters(network), total_macs(network, (3, 32, 32))) == (half.parameters, half.macs)
    assert digest_of(build("mobilenet_v1:0.50")) == digest_of(network)
    assert network_named("mobilenet_v2:0.5").parameters == network_named("mobilenet_v2").parameters
    for bad in ("0", "nan", "3", "wide", "", "-1"):
        with pytest.raises(WorkbenchError, match=r"the width must be a number in \[0.1, 2\]; got "):
            network_named(f"mobilenet_v1:{bad}")
    with pytest.raises(WorkbenchError, match=r"no network 'resnet20:2'; there are .*mobilenet_v1\[:WIDTH\]"):
        network_named("resnet20:2")
    assert weights_info("mobilenet_v1:0.5", "cifar10") is None


def test_rounding_of_widths() -> None:
    assert [width_of(c) for c in (1, 8, 11, 12, 16, 18, 24, 67.2)] == [8, 8, 16, 16, 16, 24, 24, 64]


def test_against_torchvision() -> None:
    """The same architectures at the paper's size."""
    ours = {
        "mobilenet_v2": counts(lambda: mobilenet_v2(1.0, 1000, strides=(2, 1, 2, 2, 2, 1, 2, 1)), (3, 224, 224)),
        "squeezenet1_1": counts(lambda: squeezenet(1000), (3, 224, 224)),
        "shufflenet_v2_x1_0": counts(lambda: shufflenet_v2(1000), (3, 224, 224)),
    }
    theirs = {name: network_named(f"torchvision/{name}") for name in ours}
    assert {name: found[0] for name, found in ours.items()} == {n: s.parameters for n, s in theirs.items()}
    assert ours["mobilenet_v2"][1] == theirs["mobilenet_v2"].macs == 300_774_272
    models = torchvision().models
    with torch.device("meta"):
        reference = models.DenseNet(12, (6, 6, 6), 24, num_classes=10)
    assert parameters(reference) - 49 * 3 * 24 - 2 * 24 + 9 * 3 * 24 == network_named("densenet_small").parameters
    assert counts(lambda: densenet(12, (16, 16, 16), 24), (3, 32, 32))[0] == 769_162  # paper: 0.8 M at 100 layers


NAMES = {
    "resnet18": (11_689_512, 1.814),
    "mobilenet_v3_small": (2_542_856, 0.057),
    "alexnet": (61_100_840, 0.714),
    "vgg16": (138_357_544, 15.470),
    "squeezenet1_0": (1_248_424, 0.819),
}
"""Millions of multiply-accumulates are torchvision's own, in units of 10^9."""
SLOW_NAMES = {
    "resnet50": (25_557_032, 4.089),  # a survey's 7.72 G counts each multiplication and addition
    "resnet152": (60_192_808, 11.514),  # a survey's 57 M is too low
    "vgg19": (143_667_240, 19.632),
    "googlenet": (6_624_904, 1.498),
    "densenet121": (7_978_856, 2.834),
    "shufflenet_v2_x1_0": (2_278_604, 0.145),
}


@pytest.mark.parametrize("name", [*NAMES, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_NAMES)])
def test_torchvision_by_name(name: str) -> None:
    spec = network_named(f"torchvision/{name}")
    meta_data = torchvision().models.get_model_weights(name).DEFAULT.meta
    values, billions = (NAMES | SLOW_NAMES)[name]
    assert spec.parameters == values and round(spec.macs / 1e9, 3) == billions
    assert billions == pytest.approx(meta_data["_ops"], abs=2e-3)
    assert (spec.input_shape, spec.classes) == ((3, 224, 224), 1000)
    assert re.search(r"\b(19|20)\d\d\b", spec.citation)


def test_what_a_name_from_torchvision_gives() -> None:
    network = build("torchvision/squeezenet1_1")
    assert not any(getattr(m, "inplace", False) for m in network.modules())
    x = torch.rand(1, 3, 96, 96)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    by_hand = network.network((x - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))
    torch.testing.assert_close(network(x), by_hand)


def test_weights_of_torchvision_are_the_users(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From torch's own folder without a connection; where there is none, the sentence says what goes where."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(WorkbenchError, match=r"cannot be had \(no network here\); put https.*into .*checkpoints as "):
        pretrained("torchvision/squeezenet1_1", "imagenet")
    made = torchvision().models.squeezenet1_1(weights=None)
    file = torchvision().models.get_model_weights("squeezenet1_1").DEFAULT.url.rpartition("/")[2]
    torch.save(made.state_dict(), tmp_path / "checkpoints" / file)
    found = pretrained("torchvision/squeezenet1_1", "imagenet")
    assert digest_of(found.network) == digest_of(made) and not found.training
    with pytest.raises(WorkbenchError, match="no weights of torchvision/squeezenet1_1 on cifar10; there are on imag"):
        pretrained("torchvision/squeezenet1_1", "cifar10")


def test_names_that_other_libraries_do_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkbenchError, match="no network 'torchvision/resnet19'; torchvision has alexnet, "):
        network_named("torchvision/resnet19")
    with pytest.raises(WorkbenchError, match="torchvision has alexnet"):
        network_named("torchvision/fasterrcnn_resnet50_fpn")  # no classifier
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(WorkbenchError, match="timm need timm: `pip install timm` brings it"):
        network_named("timm/ghostnet_100")


def test_ghostnet_of_timm() -> None:
    timm = pytest.importorskip("timm", reason="timm comes with the extra zoo")
    spec = network_named("timm/ghostnet_100")
    assert (round(spec.parameters / 1e6, 1), round(spec.macs / 1e9, 2)) == (5.2, 0.14)
    assert parameters(timm.create_model("ghostnet_100")) == spec.parameters
    for name in ("no_such_network", "hf-hub:someone/something", "ghostnet_100.in1k/x"):
        with pytest.raises(WorkbenchError, match="There is no network"):
            network_named(f"timm/{name}")
