"""Likeness, faithfulness, random weights and known objects, each against a plain formula or a planted case."""

import math

import numpy as np
import pytest
import torch
from test_explain import picture, small
from torch import nn

from workbench.core.attribution import Balance, Curve, Likeness, ObjectPoint, Randomised, Similarity, Stage
from workbench.core.errors import Cancelled
from workbench.core.progress import Progress
from workbench.core.records import Count
from workbench.explain import attribution
from workbench.explain.attribution import attribute
from workbench.explain.faithful import STEPS, deletion, faithfulness, infidelity, insertion, sensitivity
from workbench.explain.likeness import ssim, top_overlap
from workbench.explain.maps import Found
from workbench.explain.on_object import on_object, points_inside, shares_inside
from workbench.explain.over_images import likeness
from workbench.explain.randomised import forgotten, randomised

RNG = np.random.default_rng(0)


def linear(weights):
    """score = weights . image for class 0, 0 for class 1."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(weights.size, 2, bias=False))
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].weight[0] = torch.from_numpy(weights.reshape(-1)).float()
    return net.eval()


# Likeness


def test_the_strongest_pixels_in_common_are_counted():
    a, b = np.zeros((10, 10)), np.zeros((10, 10))
    a[0], b[0, :7], b[1, :3] = -5, 4, 9
    assert top_overlap(a, b) == pytest.approx(0.7) and top_overlap(a, a) == 1 and top_overlap(a, b[::-1]) == 0


def test_structural_similarity_is_the_formula_at_every_pixel():
    a, b = RNG.normal(size=(2, 14, 14))
    x, y = a / np.abs(a).max(), b / np.abs(b).max()
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2, found = (0.01 * 2) ** 2, (0.03 * 2) ** 2, []
    padded_x, padded_y = (np.pad(m, 5, mode="symmetric") for m in (x, y))
    for i in range(14):
        for j in range(14):
            p, q = padded_x[i : i + 11, j : j + 11], padded_y[i : i + 11, j : j + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq, both = (
                (window * (p - mp) ** 2).sum(),
                (window * (q - mq) ** 2).sum(),
                (window * (p - mp) * (q - mq)).sum(),
            )
            found.append((2 * mp * mq + c1) * (2 * both + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(found), abs=1e-9)
    assert ssim(a, 7 * a) == pytest.approx(1) and ssim(np.zeros((9, 9)), np.zeros((9, 9))) == 1


def test_likeness_grows_and_is_that_of_each_image():
    images = torch.stack([picture(i) for i in range(10)])
    heard = list(likeness("saliency", small(), small(2, 5), images, progress=Progress()))
    assert [len(h.values) for h in heard] == [4, 8, 10] and heard[-1].total == 10
    last = heard[-1]
    for i, found in zip(last.images, last.values, strict=True):
        alone = attribute("saliency", small(), small(2, 5), images[i], label=0).similarity
        assert found == pytest.approx(alone, abs=1e-4)
    ranks = [v.rank for v in last.values]
    mean, low, high = last.mean("rank")
    assert mean == pytest.approx(np.mean(ranks))
    assert high - low == pytest.approx(2 * 1.959964 * np.std(ranks, ddof=1) / math.sqrt(10))


def test_maps_of_the_dense_network_are_made_once():
    images, calls = torch.stack([picture(20 + i) for i in range(4)]), []
    dense = small(seed=11)
    dense.register_forward_hook(lambda *_: calls.append(1))

    def ask():
        return list(likeness("saliency", dense, small(2, 5), images, weights="a test's", progress=Progress()))[-1]

    first, after = ask(), len(calls)
    assert ask() == first and len(calls) - after < after


def test_one_image_says_nothing_about_the_mean():
    assert Likeness("saliency", (3,), (Similarity(0.4, 0, 0),), 9).mean("rank") == (0.4, -1, 1)


# Faithfulness


def test_curves_of_a_linear_network_are_known():
    weights = np.array([[3.0, -1.0], [2.0, 0.5]])
    image = torch.ones(1, 2, 2)
    order = np.argsort(-weights.reshape(-1))

    def probability(images):
        return linear(weights)(images).softmax(1)[:, 0].detach().numpy()

    down, up = deletion(probability, image, order), insertion(probability, image, order)
    sigmoid = lambda s: 1 / (1 + math.exp(-s))  # noqa: E731
    assert down.shares == up.shares == (0, 0.25, 0.5, 0.75, 1)
    assert down.values == pytest.approx([sigmoid(s) for s in (4.5, 1.5, -0.5, -1.0, 0.0)])
    assert up.values == pytest.approx([sigmoid(s) for s in (0, 3, 5, 5.5, 4.5)])
    inner = sum(down.values[1:-1])
    assert down.area == pytest.approx(0.25 * (inner + (down.values[0] + down.values[-1]) / 2))


def test_an_exact_map_predicts_every_square_and_another_does_not():
    weights = RNG.normal(size=(12, 12))
    net, image = linear(weights), picture()

    def score(images):
        return net(images)[:, 0].detach().double().numpy()

    exact = weights * image[0].numpy()
    assert infidelity(score, image, exact) == pytest.approx(0, abs=1e-9)
    assert infidelity(score, image, 40 * exact) == pytest.approx(0, abs=1e-9)
    assert infidelity(score, image, -exact) == 1 and infidelity(score, image, 0 * exact) == 1
    assert 0.5 < infidelity(score, image, np.abs(RNG.normal(size=(12, 12)))) <= 1


def test_sensitivity_is_the_largest_relative_change():
    image = picture()
    moved = []

    def explain(images):
        moved.append(images)
        return images[:, 0].numpy()

    found = sensitivity(explain, image)
    changes = (moved[1] - image)[:, 0].flatten(1)
    assert float(changes.abs().max()) <= 0.02
    assert found == pytest.approx(float(changes.norm(dim=1).max() / image.norm()), rel=1e-4)
    assert sensitivity(lambda images: np.ones((len(images), 12, 12)), image) == 0


def test_trust_grows_and_beats_chance_where_the_map_is_right():
    weights = RNG.normal(size=(12, 12)) / 3
    net, image = linear(weights), picture(2)
    heard = list(faithfulness("integrated_gradients", net, net, image, target=0, progress=Progress()))
    assert [h.compressed is None for h in heard] == [True, False, False, False]
    last = heard[-1]
    trust = last.dense
    assert trust.infidelity == pytest.approx(0, abs=1e-6) and trust.sensitivity < 0.1 and last.compressed == trust
    assert trust.deletion.area < trust.random_deletion.area < trust.insertion.area
    assert trust.random_insertion.values == trust.random_deletion.values[::-1]
    assert len(trust.deletion.shares) == STEPS + 1
    ends = trust.deletion.values[0], trust.deletion.values[-1]
    assert ends == pytest.approx((trust.insertion.values[-1], trust.insertion.values[0]), abs=1e-6)


def test_a_saliency_map_is_judged_by_what_its_pixels_add():
    weights = RNG.normal(size=(12, 12))
    net = linear(weights)
    last = list(faithfulness("saliency", net, net, picture(2), target=0, progress=Progress()))[-1]
    assert last.dense.infidelity == pytest.approx(0, abs=1e-6) and last.dense.sensitivity == 0


# Random weights


def edges(network, images, targets, progress):
    """Looks at the image and never at the network."""
    return Found(images - images.roll(1, -1))


def test_an_edge_detector_is_flagged_and_gradients_are_not(monkeypatch):
    ways = attribution.attributions()
    detector = ways["saliency"]._replace(map_of=edges, title="Edges")
    monkeypatch.setattr(attribution, "_METHODS", {**ways, "edges": detector})
    *_, fake = randomised("edges", small(), picture(), progress=Progress())
    assert fake.flagged and fake.stages[-1].mean == pytest.approx(1)
    *_, real = randomised("saliency", small(), picture(), progress=Progress())
    assert not real.flagged and real.complete and abs(real.stages[-1].mean) < 0.5


def test_layers_forget_from_the_last_one_on():
    net = small()
    for last in range(1, 6):
        twin = forgotten(net, last, 0)
        changed = [not torch.equal(a.weight, b.weight) for a, b in zip(net, twin, strict=True) if hasattr(a, "weight")]
        # BatchNorm starts at ones; `small` doubled them
        assert changed == [False] * (5 - last) + [True] * last
    assert torch.equal(forgotten(net, 5, 1)[0].weight, forgotten(net, 5, 1)[0].weight)
    assert not torch.equal(forgotten(net, 5, 1)[0].weight, forgotten(net, 5, 2)[0].weight)


def test_stages_rise_to_all_layers_and_the_generator_is_left_alone():
    net, before = small(), torch.get_rng_state()
    heard = list(randomised("saliency", net, picture(), progress=Progress()))
    assert torch.equal(torch.get_rng_state(), before)
    assert [s.layers for s in heard[-1].stages] == [1, 2, 3, 4, 5] and all(len(s.values) == 3 for s in heard[-1].stages)
    assert [h.complete for h in heard] == [False] * 4 + [True]


def test_nothing_is_flagged_before_the_end():
    assert not Randomised("x", 0, 0, 5, (Stage(2, (1.0,)),)).flagged
    assert Randomised("x", 0, 0, 5, (Stage(2, (0.0,)), Stage(5, (0.6, 0.5)))).flagged


# Known objects


def test_shares_and_points_on_the_object():
    values, masks = np.zeros((3, 4, 4)), np.zeros((3, 4, 4), bool)
    masks[:, :2] = True
    values[0, 0, 0], values[0, 3, 3], values[0, 2, 2] = 3, 1, -9
    values[1, 3, 0] = 2
    values[2] = -1
    assert shares_inside(values, masks).tolist() == [0.75, 0, 0]
    assert points_inside(values, masks).tolist() == [True, False, False]


def test_a_network_that_looks_at_the_object_is_told_from_one_that_does_not():
    masks = torch.zeros(6, 12, 12, dtype=torch.bool)
    masks[:, :6, :6] = True
    images, labels = torch.stack([picture(i) for i in range(6)]), torch.zeros(6, dtype=torch.long)
    on, off = np.zeros((12, 12)), np.ones((12, 12))
    on[:6, :6], off[:6, :6] = 1, 0
    seen, missed = (
        on_object("integrated_gradients", linear(w), images, labels, masks, value=v, progress=Progress())
        for w, v in ((on, 0.1), (off, None))
    )
    assert seen.shares == pytest.approx([1] * 6, abs=1e-5) and seen.hits == Count(6, 6) and seen.value == 0.1
    assert missed.shares == (0,) * 6 and missed.hits == Count(0, 6)
    assert ObjectPoint(None, (0.2, 0.4), Count(1, 2)).share[0] == pytest.approx(0.3)


def test_a_balance_counts_the_biases_and_the_scale():
    assert Balance(3.0, 4.0, held=0.9, scale=2.0).gap == pytest.approx(0.05)
    assert Curve((0, 1), (1, 0)).area == 0.5


@pytest.mark.parametrize("what", ["likeness", "faithfulness", "randomised", "object"])
def test_everything_stops_when_asked_to(what):
    calls, net = [], small()
    net.register_forward_hook(lambda *_: calls.append(1))
    stop, images = Progress(cancelled=lambda: len(calls) > 6), torch.stack([picture(i) for i in range(40)])
    labels, masks = torch.zeros(40, dtype=torch.long), torch.ones(40, 12, 12, dtype=torch.bool)
    work = {
        "likeness": lambda: list(likeness("saliency", net, net, images, progress=stop)),
        "faithfulness": lambda: list(faithfulness("integrated_gradients", net, net, images[0], progress=stop)),
        "randomised": lambda: list(randomised("integrated_gradients", net, images[0], progress=stop)),
        "object": lambda: on_object("integrated_gradients", net, images, labels, masks, progress=stop),
    }
    with pytest.raises(Cancelled):
        work[what]()
    assert len(calls) <= 8
