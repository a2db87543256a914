"""Depthwise separable convolutions against planted ones, the published cost and brute-force least squares."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Context
from workbench.core.errors import FileError, OrderError, WorkbenchError
from workbench.core.recipe import Recipe
from workbench.experiment.pipeline import plan
from workbench.layers import from_spec, spec_of
from workbench.layers.separable import SeparableConv2d, nearest_separable
from workbench.measure.macs import total_macs
from workbench.methods import parse_step
from workbench.methods.compact.mobilenet_v1 import MobilenetV1
from workbench.methods.quant.int8_linear import Int8Linear

SETTINGS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 1), "padding": (1, 2), "kernel_size": (3, 5)},
    {"dilation": 2, "padding": "same"},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": 2, "padding_mode": "circular", "kernel_size": 5},
    {"bias": False},
    {"kernel_size": (1, 4)},
]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def conv(cin=6, cout=10, **how) -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(cin, cout, **{"kernel_size": 3, **how})


def replaced(layer: nn.Conv2d, **knobs) -> tuple[nn.Module, Compressed]:
    """What stands in the layer's place in a network of it alone."""
    method = MobilenetV1(first=True, **knobs)
    model = method.apply(Compressed.of(nn.Sequential(layer).eval()), Context(input_shape=(layer.in_channels, 9, 9)))
    return model.network[0], model


@pytest.mark.parametrize("how", SETTINGS, ids=str)
def test_a_planted_separable_convolution_is_reproduced_exactly(how):
    layer = conv(**how)
    d, p = random(6, *layer.kernel_size), random(10, 6, seed=1)
    layer.weight.data = p[:, :, None, None] * d
    made, model = replaced(layer)
    x = random(3, 6, 9, 9)
    assert isinstance(made, SeparableConv2d)
    assert not model.notes
    assert torch.allclose(made(x), layer(x), atol=1e-4)


@pytest.mark.parametrize("how", SETTINGS, ids=str)
@pytest.mark.parametrize("between", ["nothing", "batchnorm_relu"])
def test_it_is_rebuilt_from_its_description(how, between):
    made, _ = replaced(conv(**how), between=between)
    again = from_spec(spec_of(made)).eval()
    again.load_state_dict(made.state_dict())
    x = random(2, 6, 9, 9)
    assert torch.equal(again(x), made(x))
    assert spec_of(again) == spec_of(made)


@pytest.mark.parametrize(("cin", "cout", "k"), [(6, 10, 3), (16, 64, 5), (3, 2, 3)])
def test_the_cost_is_that_of_the_paper(cin, cout, k):
    """1/out + 1/K^2 of the weights and of the multiplications."""
    layer = conv(cin, cout, kernel_size=k, padding=k // 2, bias=False)
    dense = nn.Sequential(layer)
    made, model = replaced(layer)
    ratio = 1 / cout + 1 / k**2
    assert sum(p.numel() for p in made.parameters()) == round(ratio * layer.weight.numel())
    assert total_macs(model.network, (cin, 9, 9)) == round(ratio * total_macs(dense, (cin, 9, 9)))


def test_the_start_is_nearest_for_every_input_channel():
    """The error is the discarded spectrum (Eckart and Young), and kernels a little off do worse."""
    w = random(10, 6, 3, 3)
    d, p = nearest_separable(w)
    error = (p[:, :, None, None] * d - w).square().sum().item()
    rest = sum(torch.linalg.svdvals(w[:, i].flatten(1))[1:].square().sum().item() for i in range(6))
    assert error == pytest.approx(rest, rel=1e-4)
    for seed in range(20):
        other = d + 0.05 * random(6, 3, 3, seed=seed)
        flat = other.flatten(1)
        best = torch.einsum("oik,ik->oi", w.flatten(2), flat) / flat.square().sum(1)
        assert (best[:, :, None, None] * other - w).square().sum().item() > error
    assert torch.allclose(d.flatten(1).norm(dim=1), p.norm(dim=0), rtol=1e-4)
    assert bool((d.flatten(1).sum(1) >= 0).all())


def test_batchnorm_starts_as_the_identity_and_relu_cuts():
    layer = conv(bias=True)
    plain, _ = replaced(layer)
    published, _ = replaced(conv(bias=True), between="batchnorm_relu")
    x = random(2, 6, 9, 9)
    expected = plain.pointwise(torch.relu(plain.depthwise(x)))
    assert torch.allclose(published(x), expected, atol=1e-3)
    assert sum(p.numel() for p in published.parameters()) == sum(p.numel() for p in plain.parameters()) + 12


def test_at_random_it_depends_on_the_seed_alone():
    layer = conv()
    a, b = (replaced(conv(), initial="random")[0].depthwise.weight for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.allclose(a, replaced(layer)[0].depthwise.weight, atol=1e-2)


# In a network


def test_the_first_convolution_and_what_cannot_be_split_stay_whole(branched):
    network, shape = branched
    model = MobilenetV1().apply(Compressed.of(network), Context(input_shape=shape))
    assert type(model.network.conv1) is nn.Conv2d
    assert isinstance(model.network.conv2, SeparableConv2d)
    text = " ".join(model.notes)
    assert "left conv1 whole: it is the first" in text
    assert "left depthwise whole: it is a grouped convolution" in text
    assert "side, conv4 whole: its kernel is 1 x 1" in text
    assert type(model.network.fc1) is nn.Linear


def test_too_few_outputs_stay_whole():
    layer, model = replaced(conv(6, 1))
    assert type(layer) is nn.Conv2d
    assert "hold no fewer numbers" in model.notes[0]


def test_zero_weights_stay_zero():
    layer = conv()
    nn.init.zeros_(layer.weight)
    made, _ = replaced(layer)
    assert torch.count_nonzero(made.depthwise.weight) == torch.count_nonzero(made.pointwise.weight) == 0


def stack() -> nn.Sequential:
    torch.manual_seed(6)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)),
    ).eval()


@pytest.mark.parametrize("width", [0.25, 0.5, 0.75])
def test_width_keeps_the_filters_of_largest_norm(width):
    dense = stack()
    model = MobilenetV1(width=width).apply(Compressed.of(dense), Context(input_shape=(3, 9, 9)))
    net = model.network
    assert (net[0].out_channels, net[3].pointwise.out_channels) == (8 * width, 12 * width)
    assert (net[1].num_features, net[4].num_features, net[8].in_features) == (8 * width, 12 * width, 12 * width)
    norms = dense[0].weight.detach().abs().sum((1, 2, 3))
    best = norms.topk(int(8 * width)).indices.sort().values
    assert torch.equal(net[0].weight, dense[0].weight[best])
    assert net(random(2, 3, 9, 9)).shape == (2, 5)


def test_width_is_thinning_before_and_nothing_else():
    """The wide network with planted separable kernels, silenced by hand, is the narrow one."""
    dense = stack()
    dense[3].weight.data = random(12, 8)[:, :, None, None] * random(8, 3, 3, seed=1)
    narrow = MobilenetV1(width=0.5).apply(Compressed.of(dense), Context(input_shape=(3, 9, 9))).network
    for i in (0, 3):
        norms = dense[i].weight.detach().abs().sum((1, 2, 3))
        gone = norms.argsort()[: len(norms) // 2]
        with torch.no_grad():
            for tensor in (dense[i].weight, dense[i].bias, dense[i + 1].weight, dense[i + 1].bias):
                tensor[gone] = 0
    x = random(2, 3, 9, 9)
    assert torch.allclose(narrow(x), dense(x), atol=1e-4)


def test_layers_that_keep_their_width_are_told():
    class Tied(nn.Module):
        """A sum ties two convolutions."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

        def forward(self, x):
            return self.fc((self.a(x) + self.b(x)).mean((2, 3)))

    context = Context(input_shape=(3, 9, 9), layers=("b",))
    model = MobilenetV1(width=0.5).apply(Compressed.of(Tied().eval()), context)
    assert any("kept the width of a, b: it is tied to a" in note for note in model.notes)
    assert model.network.b.pointwise.out_channels == 8


def test_later_steps_act_on_both_parts():
    model = MobilenetV1().apply(Compressed.of(stack()), Context(input_shape=(3, 9, 9)))
    assert [x.name for x in layers_of(model.network)] == ["0", "3.depthwise", "3.pointwise", "8"]
    quantized = Int8Linear(bits=4).apply(model, Context((3, 9, 9), layers=("3",)))
    assert set(quantized.encoded) == {"3.depthwise.weight", "3.pointwise.weight"}


def test_training_follows_the_teacher_or_the_labels():
    asked = []

    def fit(model, context, *, epochs, learning_rate, loss=None):
        asked.append((epochs, loss))
        return model.copy()

    teacher = stack()
    context = Context(input_shape=(3, 9, 9), fit=fit, teacher=teacher)
    MobilenetV1(epochs=2).apply(Compressed.of(stack()), context)
    MobilenetV1(epochs=1, learn_from="labels").apply(Compressed.of(stack()), context)
    (two, taught), (one, labels) = asked
    assert (two, one, labels) == (2, 1, None)
    x, y = random(4, 3, 9, 9), torch.tensor([0, 1, 2, 3])
    wrong = -teacher(x)
    assert taught(teacher(x), y, x) < taught(wrong, y, x)
    with pytest.raises(WorkbenchError, match="compact.mobilenet_v1 trains"):
        MobilenetV1(epochs=1, learn_from="labels").apply(Compressed.of(stack()), Context(input_shape=(3, 9, 9)))


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (["prune.magnitude_iter", "compact.mobilenet_v1"], "fill the removed weights in again"),
        (["quant.int8_linear", "compact.mobilenet_v1"], "replace the stored codes"),
        (["lowrank.cp", "compact.mobilenet_v1"], "factorised already"),
        (["struct.circulant", "lowrank.tsvd"], "factorised already"),
        (["lowrank.tucker2", "prune.l1_filter"], "no filters of the original layer"),
        (["prune.l1_filter", "compact.mobilenet_v1", "quant.int8_linear"], ""),
        (["prune.l1_filter", "lowrank.cp", "prune.magnitude_iter", "quant.kmeans_share", "kd.hinton"], ""),
        (["struct.circulant", "prune.magnitude_iter", "quant.int8_linear"], ""),
    ],
    ids=str,
)
def test_what_may_come_after_what(steps, why):
    from workbench.networks import build

    recipe = Recipe("lenet5", "mnist", tuple(map(parse_step, steps)))
    if why:
        with pytest.raises(OrderError, match=why):
            plan(recipe, build("lenet5"))
    else:
        assert len(plan(recipe, build("lenet5"))) == len(steps)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"depthwise": {"channels": [2, 2]}, "between": True},
        {"depthwise": {"channels": [2]}, "pointwise": {"channels": [2, 3]}, "between": True},
        {"depthwise": {"channels": [3, 3], "groups": 2}, "pointwise": {"channels": [3, 3]}, "between": False},
    ],
    ids=str,
)
def test_a_layer_that_cannot_be_is_refused(spec):
    with pytest.raises(FileError):
        from_spec({"type": "SeparableConv2d", **spec})
