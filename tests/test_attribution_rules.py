"""Ways back through a network: against captum where captum can, against sums everywhere, or refused."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from own_networks import NETWORKS, SHAPE, FunctionalCat, made
from torch import nn

from workbench.core.errors import WorkbenchError
from workbench.core.progress import Progress
from workbench.explain.attribution import attribute, found_by, why_not
from workbench.explain.maps import grad_cam
from workbench.explain.segments import segments
from workbench.layers.activations import InputQuantizer, QuantizedInput
from workbench.layers.chain import ConvChain
from workbench.layers.circulant import CirculantLinear
from workbench.layers.factorised import FactorisedConv2d, FactorisedLinear
from workbench.layers.separable import SeparableConv2d

IMAGES = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1))
TARGETS = torch.tensor([1, 3])


class Modules(nn.Module):
    """Everything a module that runs once: what captum asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn, self.relu1 = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU()
        self.conv2, self.relu2, self.pool = nn.Conv2d(5, 4, 3), nn.ReLU(), nn.MaxPool2d(2)
        self.fc1, self.relu3, self.fc2 = nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4)

    def forward(self, x):
        x = self.pool(self.relu2(self.conv2(self.relu1(self.bn(self.conv1(x))))))
        return self.fc2(self.relu3(self.fc1(torch.flatten(x, 1))))


class Functions(Modules):
    """The same network, calling functions, one of them in place and one as a method."""

    def forward(self, x):
        x = F.relu(self.bn(self.conv1(x)), inplace=True)
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc2(self.fc1(x.flatten(1)).relu_())


class OneRelu(Modules):
    """The same network with one ReLU module that runs three times."""

    def forward(self, x):
        x = self.pool(self.relu1(self.conv2(self.relu1(self.bn(self.conv1(x))))))
        return self.fc2(self.relu1(self.fc1(torch.flatten(x, 1))))


def network(kind=Modules):
    found = made(kind)
    with torch.no_grad():
        for weight in found.parameters():
            weight.mul_(1.5)
    return found


def maps_of(method, net, images=IMAGES, targets=TARGETS):
    return found_by(method, net, images, targets, Progress()).values.numpy()


def captum_says(method, net):
    from captum.attr import LRP, DeepLift, GuidedBackprop

    way = {"deep_lift": DeepLift, "lrp": LRP, "guided": GuidedBackprop}[method](net)
    more = {"baselines": torch.zeros_like(IMAGES)} if method == "deep_lift" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return way.attribute(IMAGES.clone().requires_grad_(), target=TARGETS, **more).detach().numpy()


class Apart(Modules):
    """No function right behind another, where captum's hooks on one tensor get into each other's way."""

    def forward(self, x):
        x = self.pool(self.conv2(self.relu1(self.bn(self.conv1(x)))))
        return self.fc2(self.relu3(self.fc1(torch.flatten(x, 1))))


@pytest.mark.parametrize(("method", "kind"), [("deep_lift", Apart), ("lrp", Modules)])
def test_captum_agrees_on_modules_that_run_once(method, kind):
    np.testing.assert_allclose(maps_of(method, network(kind)), captum_says(method, network(kind)), rtol=1e-3, atol=2e-6)


@torch.no_grad()
def test_deep_lift_by_hand_layer_by_layer():
    net = network()
    expected = [by_hand(net, x[None], int(t)) for x, t in zip(IMAGES, TARGETS, strict=True)]
    np.testing.assert_allclose(maps_of("deep_lift", net), torch.cat(expected).numpy(), rtol=1e-3, atol=1e-6)


def by_hand(net, image, target):
    x = torch.cat([image, torch.zeros_like(image)])
    normed = net.bn(net.conv1(x))
    second = net.conv2(normed.relu())
    pooled = F.max_pool2d(second.relu(), 2)
    hidden = net.fc1(pooled.flatten(1))
    m = (net.fc2.weight[target] * over(hidden)) @ net.fc1.weight
    m = unpooled(second.relu(), m.reshape(pooled[:1].shape)) * over(second)
    m = F.conv_transpose2d(m, net.conv2.weight) * over(normed)
    m = m * (net.bn.weight / (net.bn.running_var + net.bn.eps).sqrt())[:, None, None]
    return F.conv_transpose2d(m, net.conv1.weight) * image


def over(z):
    """The change of ReLU over that of its input; its slope at the image where nothing changes."""
    change = z[:1] - z[1:]
    return torch.where(change.abs() < 1e-7, (z[:1] > 0).float(), (z[:1].relu() - z[1:].relu()) / change)


def unpooled(z, m):
    found = torch.zeros_like(z[:1])
    for _, c, i, j in np.ndindex(*m.shape):
        new, old = (half[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten() for half in z)
        place = int(new.argmax()) if new.max() >= old.max() else int(old.argmax())
        change = float(new[place] - old[place])
        share = float(new.max() - old.max()) / change if abs(change) > 1e-7 else 1.0
        found[0, c, 2 * i + place // 2, 2 * j + place % 2] = m[0, c, i, j] * share
    return found


def test_guided_grad_cam_is_captums_guided_backpropagation_times_the_region():
    region = grad_cam(network(), IMAGES, TARGETS, Progress()).values.numpy()
    assert region.max() > 0
    expected = captum_says("guided", network()) * region
    np.testing.assert_allclose(maps_of("guided_grad_cam", network()), expected, rtol=1e-3, atol=1e-7)


def test_captum_agrees_on_the_region():
    from captum.attr import LayerGradCam

    net = network()
    coarse = LayerGradCam(net, net.relu2).attribute(IMAGES, target=TARGETS, relu_attributions=True)
    expected = F.interpolate(coarse, (12, 12), mode="bilinear").detach().numpy()
    np.testing.assert_allclose(maps_of("grad_cam", net), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", [Functions, OneRelu])
@pytest.mark.parametrize("method", ["deep_lift", "lrp", "guided_grad_cam", "grad_cam"])
def test_functions_and_reused_modules_give_what_modules_give(method, kind):
    np.testing.assert_allclose(maps_of(method, network(kind)), maps_of(method, network()), rtol=1e-4, atol=1e-7)


def test_captum_is_silently_wrong_on_functions_which_is_why_it_is_not_used_there():
    wrong = np.abs(captum_says("deep_lift", network(Functions)) - maps_of("deep_lift", network(Functions))).max()
    assert wrong > 1e-3


def test_lrp_with_relus_alone_is_the_gradient_times_the_image():
    net, leaf = network(), IMAGES.clone().requires_grad_()
    slope = torch.autograd.grad(net(leaf).gather(1, TARGETS[:, None]).sum(), leaf)[0]
    np.testing.assert_allclose(maps_of("lrp", net), (slope * IMAGES).numpy(), rtol=1e-3, atol=1e-6)


def test_lrp_and_its_biases_are_the_score():
    net = network()
    found = found_by("lrp", net, IMAGES[:1], TARGETS[:1], Progress())
    score = net(IMAGES[:1])[0, TARGETS[0]].item()
    assert abs(found.held) > 0.01
    assert float(found.values.sum()) + found.held == pytest.approx(score, abs=1e-4)


# Every network of the kind that people bring


def from_black(net):
    with torch.no_grad():
        return (net(IMAGES) - net(torch.zeros_like(IMAGES))).gather(1, TARGETS[:, None])[:, 0].numpy()


def by_deep_lift(net) -> tuple[np.ndarray, np.ndarray]:
    """What the values sum to and should, of every image."""
    return maps_of("deep_lift", net).sum((1, 2, 3)), from_black(net)


def by_lrp(net) -> tuple[np.ndarray, np.ndarray]:
    """What the values, with what the biases hold, sum to and should, of the first image."""
    found = found_by("lrp", net, IMAGES[:1], TARGETS[:1], Progress())
    score = net(IMAGES[:1]).detach()[0, TARGETS[0]]
    return np.array([float(found.values.sum()) + found.held]), np.array([float(score)])


@pytest.mark.parametrize("kind", NETWORKS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("sums", "without_rule"),
    [(by_deep_lift, ("Attentive", "Computed")), (by_lrp, ("Attentive", "Rows"))],
    ids=["deep_lift", "lrp"],
)
def test_it_sums_or_says_that_it_does_not(sums, without_rule, kind):
    net = made(kind)
    if kind.__name__ in without_rule:
        with pytest.raises(WorkbenchError, match="no rule for"):
            sums(net)
        return
    found, wanted = sums(net)
    largest = float(net(IMAGES[: len(found)]).detach().abs().max())
    np.testing.assert_allclose(found, wanted, atol=0.01 * largest)


@pytest.mark.parametrize("kind", NETWORKS, ids=lambda kind: kind.__name__)
def test_the_network_stays_as_it_is(kind):
    net = made(kind)
    before = {k: v.clone() for k, v in net.state_dict().items()}, [p.requires_grad for p in net.parameters()]
    for method in ("deep_lift", "lrp", "guided_grad_cam", "grad_cam"):
        why_not(method, net, SHAPE)
    assert all(torch.equal(before[0][k], v) for k, v in net.state_dict().items())
    assert before[1] == [p.requires_grad for p in net.parameters()]
    assert not any(m._forward_hooks for m in net.modules() if not m._forward_pre_hooks)


class Divided(nn.Module):
    """An answer divided by its own size: no rule knows what that is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)

    def forward(self, x):
        x = torch.tanh(self.conv(x)).mean((2, 3))
        return self.fc(x / x.norm(dim=1, keepdim=True))


def test_what_no_rule_knows_is_refused_beforehand_and_when_asked():
    net = network(Divided)
    assert "no rule for" in why_not("deep_lift", net, SHAPE) and why_not("integrated_gradients", net, SHAPE) == ""
    with pytest.raises(
        WorkbenchError, match=r"^DeepLift cannot explain this network: its map would miss .* rule for\.$"
    ):
        attribute("deep_lift", net, net, IMAGES[0], label=0)
    assert "no rule for" in why_not("lrp", net, SHAPE)


def test_guided_gradients_need_a_relu_that_can_be_reached():
    assert "has none" in why_not("guided_grad_cam", network(Divided), SHAPE)
    assert why_not("guided_grad_cam", network(FunctionalCat), SHAPE) == ""

    class Hidden(Modules):
        def forward(self, x):
            with torch._C.DisableTorchFunction():
                return super().forward(x)

    with pytest.raises(WorkbenchError, match="none larger than one pixel"):
        found_by("grad_cam", network(Hidden), IMAGES, TARGETS, Progress())

    class Partly(Modules):
        def forward(self, x):
            x = self.pool(self.relu2(self.conv2(self.relu1(self.bn(self.conv1(x))))))
            x = self.fc1(torch.flatten(x, 1))
            with torch._C.DisableTorchFunction():
                x = torch.relu(x)
            return self.fc2(x)

    assert "cannot be guided" in why_not("guided_grad_cam", network(Partly), SHAPE)


# Modules of compressed networks


def replaced(name, module):
    net = network()
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    setattr(net, name, module.eval())
    return net


COMPRESSED = {
    "factorised": lambda: replaced("fc1", FactorisedLinear(64, 3, 8)),
    "factorised conv": lambda: replaced("conv2", FactorisedConv2d(nn.Conv2d(5, 4, 3), 2, True)),
    "circulant": lambda: replaced("fc1", CirculantLinear(64, 8, 8, seed=3)),
    "small circulant": lambda: replaced("fc1", CirculantLinear(64, 8, 4)),
    "separable": lambda: replaced("conv2", SeparableConv2d.like(nn.Conv2d(5, 4, 3), True)),
    "chain": lambda: replaced("conv2", ConvChain({"first": nn.Conv2d(5, 2, 1), "core": nn.Conv2d(2, 4, 3)})),
    "quantised": lambda: quantised(),
}


def quantised():
    net = network()
    net.conv2 = QuantizedInput(net.conv2, InputQuantizer.of(0.05, 0, 15))
    net.fc1 = QuantizedInput(net.fc1, InputQuantizer.of(0.03, 0, 31))
    return net


@pytest.mark.parametrize("name", COMPRESSED)
def test_sums_hold_in_compressed_networks(name):
    net = COMPRESSED[name]()
    largest = float(net(IMAGES).detach().abs().max())
    np.testing.assert_allclose(maps_of("deep_lift", net).sum((1, 2, 3)), from_black(net), atol=1e-3 * largest)
    found = found_by("lrp", net, IMAGES[:1], TARGETS[:1], Progress())
    score = net(IMAGES[:1])[0, TARGETS[0]].item()
    assert float(found.values.sum()) + found.held == pytest.approx(score, abs=1e-3 * largest)
    assert np.isfinite(maps_of("guided_grad_cam", net)).all()


# Patches


def test_patches_cover_the_image_and_follow_its_colours():
    image = torch.zeros(3, 12, 12)
    image[:, :, 5:] = 1
    found = segments(image, 9)
    assert sorted(found.unique().tolist()) == list(range(int(found.max()) + 1)) and 6 <= int(found.max()) + 1 <= 9
    assert not set(found[:, :5].unique().tolist()) & set(found[:, 5:].unique().tolist())


@torch.no_grad()
def test_a_patch_sums_to_what_the_score_loses_without_it():
    net, image = network(), IMAGES[0]
    found, patches = maps_of("feature_ablation", net)[0, 0], segments(image)
    for patch in (0, int(patches.max())):
        black = torch.where(patches == patch, 0.0, image)
        fall = float((net(image[None]) - net(black[None]))[0, TARGETS[0]])
        assert found[patches.numpy() == patch].sum() == pytest.approx(fall, abs=1e-5)
