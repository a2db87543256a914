"""Attribution maps against a second way of computing each, and what an explanation leaves behind: nothing."""

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.explain import maps
from workbench.explain.attribution import attribute, attributions
from workbench.explain.likeness import rank_correlation

METHODS = list(attributions())


def small(channels=4, seed=0, inputs=1):
    """Two convolutions, BatchNorm, a hidden layer: 12x12 images, three classes."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(inputs, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, channels, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(channels * 16, 8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(2)
    return network.eval()


def picture(seed=0, inputs=1):
    return torch.rand(inputs, 12, 12, generator=torch.Generator().manual_seed(seed))


def explained(method, network, image, target):
    return attribute(method, network, network, image, label=0, target=target).dense


# Each method against a second way


def test_saliency_is_the_gradient():
    network, image = small(), picture()
    leaf = image[None].clone().requires_grad_()
    network(leaf)[0, 2].backward()
    network.zero_grad()
    np.testing.assert_allclose(explained("saliency", network, image, 2), leaf.grad[0, 0].numpy(), rtol=1e-5, atol=1e-6)


def test_saliency_of_colour_is_the_derivative_of_all_channels_together():
    network, image = small(inputs=3).double(), picture(inputs=3).double()
    step = torch.zeros_like(image)
    step[:, 5, 6] = 1e-6
    with torch.no_grad():
        slope = (network((image + step)[None]) - network((image - step)[None]))[0, 1] / 2e-6
    assert explained("saliency", network, image, 1)[5, 6] == pytest.approx(slope.item(), rel=1e-4)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_integrated_gradients_sum_to_what_the_image_adds_to_the_logit(target):
    network, image = small(), picture(3)
    with torch.no_grad():
        added = float((network(image[None]) - network(torch.zeros_like(image)[None]))[0, target])
        largest = float(network(image[None]).abs().max())
    assert explained("integrated_gradients", network, image, target).sum() == pytest.approx(added, abs=0.01 * largest)


def test_integrated_gradients_agree_with_a_sum_of_gradients_by_hand():
    network, image = small(), picture(1)
    at, weight = np.polynomial.legendre.leggauss(maps.IG_STEPS)
    shares = torch.from_numpy((at + 1) / 2).float()[:, None, None, None]
    leaf = (shares * image[None]).requires_grad_()
    slopes = torch.autograd.grad(network(leaf)[:, 1].sum(), leaf)[0].numpy()
    expected = image[0].numpy() * np.tensordot(weight / 2, slopes, 1)[0]
    np.testing.assert_allclose(explained("integrated_gradients", network, image, 1), expected, rtol=1e-3, atol=1e-5)


def test_grad_cam_agrees_with_hooks_by_hand_behind_the_last_convolutions_relu():
    network, image, seen = small(), picture(2), {}
    hook = network[4].register_forward_hook(lambda _, __, out: seen.update(out=out))
    score = network(image[None])[0, 1]
    hook.remove()
    slope = torch.autograd.grad(score, seen["out"])[0]
    coarse = F.relu((slope.mean((2, 3), keepdim=True) * seen["out"]).sum(1, keepdim=True))
    expected = F.interpolate(coarse, (12, 12), mode="bilinear")[0, 0].detach().numpy()
    assert expected.max() > 0
    np.testing.assert_allclose(explained("grad_cam", network, image, 1), expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_occlusion_agrees_with_a_loop():
    network, image = small(inputs=3), picture(4, inputs=3)
    side, stride = maps.window_of(image[None])
    fall, covered, base = np.zeros((12, 12)), np.zeros((12, 12)), network(image[None])[0, 2]
    for top in range(0, 12 - side + stride, stride):
        for left in range(0, 12 - side + stride, stride):
            black = image.clone()
            black[:, top : top + side, left : left + side] = 0
            where = np.s_[top : top + side, left : left + side]
            fall[where] += float(base - network(black[None])[0, 2])
            covered[where] += 1
    assert covered.min() > 0
    assert maps.window_of(torch.zeros(1, 1, 28, 28)) == (4, 2)
    np.testing.assert_allclose(explained("occlusion", network, image, 2), fall / covered, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_similarity_is_spearmans(seed):
    draw = np.random.default_rng(seed)
    a, b = draw.integers(0, 6, (7, 7)).astype(np.float32), draw.normal(size=(7, 7)).astype(np.float32)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert rank_correlation(b, 3 * b + 1) == pytest.approx(1)


def test_a_constant_map_is_similar_to_nothing_but_a_constant():
    flat, other = np.zeros((3, 3)), np.arange(9.0).reshape(3, 3)
    assert [rank_correlation(a, b) for a, b in ((flat, other), (other, flat), (flat, flat))] == [0.0, 0.0, 1.0]


# The pair


@pytest.mark.parametrize("method", METHODS)
def test_the_pair_tells_of_both_networks_for_the_same_class(method):
    dense, fewer, image = small(), small(channels=2, seed=5), picture()
    pair = attribute(method, dense, fewer, image, label=2, index=7)
    with torch.no_grad():
        a, b = dense(image[None])[0], fewer(image[None])[0]
    assert (pair.method, pair.index, pair.label) == (method, 7, 2)
    assert (pair.dense_prediction, pair.compressed_prediction) == (int(a.argmax()), int(b.argmax()))
    assert pair.target == pair.dense_prediction
    assert pair.dense_probability == pytest.approx(float(a.softmax(0)[pair.target]), abs=1e-6)
    assert pair.compressed_probability == pytest.approx(float(b.softmax(0)[pair.target]), abs=1e-6)
    assert pair.dense.shape == pair.compressed.shape == (12, 12) and pair.dense.dtype == np.float32
    np.testing.assert_array_equal(pair.compressed, explained(method, fewer, image, pair.target))
    np.testing.assert_array_equal(pair.image, image.numpy())


def test_the_same_network_twice_looks_at_the_same():
    pair = attribute("saliency", small(), small(), picture(), label=0)
    assert pair.similarity == pytest.approx((1, 1, 1)) and not pair.difference.any()


def test_a_map_without_differences_says_so():
    silent = small()
    with torch.no_grad():
        silent[-1].weight.zero_()
    pair = attribute("occlusion", small(), silent, picture(), label=0)
    assert pair.note == "The map of the compressed network is the same everywhere." and pair.similarity.rank == 0


def test_a_normalised_image_is_shown_in_zero_to_one():
    shown = attribute("saliency", small(), small(), 4 * picture() - 2, label=0).image
    assert (shown.min(), shown.max()) == (0, 1)


# What is refused


def test_grad_cam_is_off_without_a_convolution():
    dense = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    refusals = {name: method.refuses(dense) for name, method in attributions().items()}
    assert [name for name, why in refusals.items() if why] == ["grad_cam", "guided_grad_cam"]
    with pytest.raises(WorkbenchError, match=r"Grad-CAM cannot explain this network: .* this network has none\."):
        attribute("grad_cam", small(), dense, picture(), label=0)
    assert attribute("occlusion", dense, dense, picture(), label=0).dense.any()


def test_unknown_methods_and_classes_are_refused_in_one_sentence():
    with pytest.raises(WorkbenchError, match="no attribution method 'lime'; there are integrated_gradients, grad_cam"):
        attribute("lime", small(), small(), picture(), label=0)
    with pytest.raises(WorkbenchError, match="must be in 0 to 2; got 3"):
        attribute("saliency", small(), small(), picture(), label=0, target=3)


# What is left behind


def _state(network):
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in network.modules()]
    modes = [m.training for m in network.modules()]
    flags = [(p.requires_grad, p.grad is None) for p in network.parameters()]
    return hooks, modes, flags, {k: v.clone() for k, v in network.state_dict().items()}


def _same(a, b):
    return a[:3] == b[:3] and all(torch.equal(a[3][k], b[3][k]) for k in a[3])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", ["done", "cancelled", "failed"])
def test_nothing_is_left_in_the_networks(method, mode):
    dense, compressed, image = small().train(), small(2, 1), picture()
    compressed[0].weight.requires_grad_(False)
    dense[4].eval()
    before, kept = (_state(dense), _state(compressed)), image.clone()
    calls = []

    def fail_in_the_map(*_):
        calls.append(1)
        if len(calls) > 1:  # the first pass only asks for the answer
            raise ZeroDivisionError

    if mode == "done":
        attribute(method, dense, compressed, image, label=0)
    if mode == "cancelled":
        seen = []
        stop = Progress(lambda doing, share: seen.append(doing), lambda: any("compressed" in d for d in seen))
        with pytest.raises(Cancelled):
            attribute(method, dense, compressed, image, label=0, progress=stop)
    if mode == "failed":
        hook = compressed[8].register_forward_hook(fail_in_the_map)
        with pytest.raises(ZeroDivisionError):
            attribute(method, dense, compressed, image, label=0)
        hook.remove()
    assert _same(_state(dense), before[0]) and _same(_state(compressed), before[1])
    assert torch.equal(image, kept) and not image.requires_grad


def test_cancelling_stops_between_the_chunks_of_one_map():
    passes, network = [], small()
    network.register_forward_hook(lambda *_: passes.append(1))
    stop = Progress(cancelled=lambda: len(passes) >= 4)  # two for the answers, then chunks of the first map
    with pytest.raises(Cancelled):
        attribute("integrated_gradients", network, network, picture(), label=0, progress=stop)
    assert len(passes) == 4


@pytest.mark.parametrize("method", METHODS)
def test_progress_says_which_network_and_never_runs_backwards(method):
    heard = []
    attribute(method, small(), small(), picture(), label=0, progress=Progress(lambda *what: heard.append(what)))
    shares = [share for _, share in heard]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
    assert {doing.split(":")[0] for doing, _ in heard} == {"dense", "compressed"}


@pytest.mark.parametrize("method", METHODS)
def test_a_worker_thread_and_a_second_run_give_the_same_maps(method):
    dense, fewer, image = small(), small(2, 1), picture()
    here = attribute(method, dense, fewer, image, label=0)
    with ThreadPoolExecutor(1) as pool, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        there = pool.submit(attribute, method, dense, fewer, image, label=0).result()
        under_no_grad = attribute(method, dense, fewer, image, label=0)
    for again in (there, under_no_grad):
        np.testing.assert_array_equal(again.dense, here.dense)
        np.testing.assert_array_equal(again.compressed, here.compressed)


def test_captum_waits_until_it_is_needed():
    code = "import sys, workbench.explain.attribution as a; a.attributions(); print('captum' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
