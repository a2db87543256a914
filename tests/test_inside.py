"""Inside a compressed network: errors in decibels, levels and lost directions, each against another way to get them."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Batch
from workbench.core.encoded import Encoded
from workbench.core.errors import Cancelled
from workbench.core.inside import Spectrum
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe
from workbench.core.values import Codebook, FixedPoint, Levels
from workbench.experiment.pipeline import compress
from workbench.experiment.subject import subject_named
from workbench.explain.directions import directions, factorised
from workbench.explain.inside import inside
from workbench.explain.levels import levels, levels_of
from workbench.explain.noise import decibels, kept_units, noise, ratio_of
from workbench.methods import parse_step

SILENT = Progress()


@pytest.fixture(scope="module")
def subject():
    return subject_named("lenet5", "digits")


def made(subject, *steps) -> Compressed:
    return compress(Recipe("lenet5", "digits", tuple(map(parse_step, steps))), subject)


def some(subject, n=64) -> Batch:
    return Batch(subject.dataset.validation.images[:n], subject.dataset.validation.labels[:n])


def last_noise(subject, model, n=64):
    *_, (_, rows, answer) = noise(subject.network, model, some(subject, n), SILENT)
    return {row.layer: row for row in rows}, answer


@pytest.mark.parametrize("bits", [4, 8, 10])
def test_decibels_of_uniform_noise_are_those_of_the_textbook(bits):
    """A uniform signal over 2^b steps of its own range: SQNR = 20 log10(2^b), 6.02 dB a bit."""
    x = np.random.default_rng(0).uniform(-1, 1, 400_000)
    step = 2 / 2**bits
    rounded = (np.floor(x / step) + 0.5) * step
    assert decibels((x**2).sum(), ((x - rounded) ** 2).sum()) == pytest.approx(20 * math.log10(2**bits), abs=0.05)


def test_no_error_is_infinite_and_no_signal_is_not():
    assert decibels(1.0, 0.0) == math.inf and decibels(0.0, 1.0) == -math.inf
    assert ratio_of(np.ones(9), np.zeros(9)) == (math.inf,) * 3 or ratio_of(np.ones(9), np.zeros(9)).low == math.inf


def test_the_interval_of_a_ratio_agrees_with_the_delta_method():
    rng = np.random.default_rng(1)
    signal, error = rng.gamma(4, 1, 400), rng.gamma(2, 0.01, 400)
    found = ratio_of(signal, error)
    r = signal.sum() / error.sum()
    spread = np.std(signal - r * error) / (math.sqrt(400) * error.mean()) / r * 10 / math.log(10)
    assert found.low < found.db < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_a_network_that_is_left_alone_has_no_error_anywhere(subject):
    rows, answer = last_noise(subject, Compressed.of(subject.network))
    assert answer.db == math.inf
    assert all(row.weights == row.alone.db == row.together.db == math.inf for row in rows.values())


def test_the_error_of_a_layer_by_hand(subject):
    """Alone: the dense network's own activations through the compressed layer; together: both networks cut in two."""
    model = made(subject, "quant.int8_linear:bits=3")
    rows, _ = last_noise(subject, model)
    seen: dict = {}
    hooks = [
        net.get_submodule("fc1").register_forward_hook(
            lambda _m, given, gave, who=who: seen.update({who: (given[0].clone(), gave.clone())})
        )
        for who, net in (("dense", subject.network), ("now", model.network))
    ]
    with torch.no_grad():
        images = some(subject).images
        subject.network(images), model.network(images)
        for hook in hooks:
            hook.remove()
        given, wanted = seen["dense"]
        weight, bias = model.network.fc1.weight, model.network.fc1.bias
        alone = given @ weight.T + bias
    db = [
        10 * math.log10(float(wanted.square().sum() / (wanted - got).square().sum())) for got in (alone, seen["now"][1])
    ]
    assert rows["fc1"].alone.db == pytest.approx(db[0], abs=1e-3)
    assert rows["fc1"].together.db == pytest.approx(db[1], abs=1e-3)
    w = subject.network.fc1.weight
    assert rows["fc1"].weights == pytest.approx(
        10 * math.log10(float(w.square().sum() / (w - weight).square().sum())), abs=1e-3
    )
    assert rows["conv1"].alone == rows["conv1"].together, "nothing comes before the first layer"


def test_more_bits_are_six_decibels_each(subject):
    coarse, fine = (last_noise(subject, made(subject, f"quant.int8_linear:bits={bits}"))[0] for bits in (6, 8))
    for name in coarse:
        assert fine[name].weights - coarse[name].weights == pytest.approx(12.2, abs=0.6)


def test_of_pruned_filters_those_that_are_left_are_compared(subject):
    model = made(subject, "prune.l1_filter:pruning_ratio=0.5")
    rows, _ = last_noise(subject, model)
    assert rows["conv1"].together.db > 100 and rows["conv1"].weights is None, "the filters that stay are as they were"
    assert rows["conv2"].alone is None and "fewer channels" in rows["conv2"].note
    kept = kept_units(subject.network, model, "conv2")
    decision = next(d for d in model.decisions if d.layer == "conv2")
    assert kept.tolist() == [i for i, stays in enumerate(decision.kept) if stays]
    assert 0 < rows["conv2"].together.db < 60 and rows["fc1"].together is not None


def test_masked_weights_are_compared_too(subject):
    rows, answer = last_noise(subject, made(subject, "prune.magnitude_iter:pruning_ratio=0.8"))
    assert all(row.alone is not None and row.weights is not None for row in rows.values()) and 0 < answer.db < 60


def test_a_layer_of_another_kind_is_said_not_to_be_comparable(subject):
    model = Compressed.of(subject.network)
    model.network.conv1 = nn.Sequential(nn.Conv2d(1, 3, 5, bias=False))
    with torch.no_grad():
        model.network.conv2 = nn.Conv2d(3, subject.network.conv2.out_channels, 5)
    rows, _ = last_noise(subject, model)
    assert rows["conv1"].together is None and rows["conv1"].note.startswith("nothing in the compressed network stands")


def test_both_networks_are_left_as_they_were(subject):
    model = made(subject, "quant.kmeans_share:bits=2")
    before = copy.deepcopy(model.network.state_dict())
    last_noise(subject, model)
    for net in (subject.network, model.network):
        assert not any(m._forward_hooks for m in net.modules())
    assert all(torch.equal(before[k], v) for k, v in model.network.state_dict().items())
    with pytest.raises(Cancelled):
        next(noise(subject.network, model, some(subject), Progress(cancelled=lambda: True)))


def test_shared_values_are_the_levels_and_every_weight_is_at_one(subject):
    model = made(subject, "prune.magnitude_iter:pruning_ratio=0.5", "quant.kmeans_share:bits=3")
    for found in levels(subject.network, model):
        stored = model.network.get_submodule(found.layer).weight.detach().numpy()
        values, counts = np.unique(stored[stored != 0], return_counts=True)
        assert found.levels == pytest.approx(values) and found.at.tolist() == counts.tolist() and found.bits == 3
        assert found.before.sum() == counts.sum() and found.removed.sum() == stored.size - counts.sum()
        assert found.unit == "" and found.stored_as == "shared values"
        # What was removed lies around zero, where nothing that is left does.
        middle = (found.edges[1:] + found.edges[:-1]) / 2
        assert abs(middle[found.removed > 0]).max() < abs(middle[found.before > 0]).max()


def test_rows_with_a_scale_of_their_own_are_counted_in_their_steps():
    weight = np.array([[0.1, -0.2, 0.3], [10.0, 20.0, -30.0]], np.float32)
    codes = np.array([1, -2, 3, 1, 2, -3], np.int32)
    fixed = FixedPoint(codes, np.array([0.1, 10], np.float32), np.zeros(2, np.int32), -3, 3)
    found = levels_of("fc", Encoded((2, 3), fixed), weight)
    assert found.levels.tolist() == [-3, -2, 1, 2, 3] and found.at.tolist() == [1, 1, 2, 1, 1] and found.unit
    assert found.before.sum() == 6 and found.edges[0] <= -3 and found.edges[-1] >= 3 and found.bits == 3


def test_signs_and_wide_codes():
    signs = Levels(np.array([0, 1, 1, 1]), np.array([0.5], np.float32), (-1, 1))
    found = levels_of("fc", Encoded((4,), signs), None)
    assert found.levels.tolist() == [-0.5, 0.5] and found.at.tolist() == [1, 3] and found.bits == 1
    assert found.before.size == 0
    wide = FixedPoint(np.arange(1000), np.array([0.1], np.float32), np.zeros(1, np.int32), 0, 1023)
    assert levels_of("fc", Encoded((1000,), wide), None).levels.size == 0
    book = Codebook(np.array([0, 0, 2]), np.array([1, 2, 3], np.float32))
    assert levels_of("fc", Encoded((3,), book), None).levels.tolist() == [1, 3], "a value nobody has is no level"


def looked_at(subject, model, n=64):
    return {d.layer: d for d in directions(subject.network, model, some(subject, n), SILENT, indices=torch.arange(n))}


@pytest.mark.parametrize("convolution", ["kernel_first", "kernel_last"])
def test_the_spectrum_is_numpys_and_the_lost_response_is_what_the_layer_lacks(subject, convolution):
    model = made(subject, f"lowrank.tsvd:rank_share=0.25,convolution={convolution}")
    found = looked_at(subject, model)
    assert list(found) == factorised(subject.network, model)
    assert {"conv2", "fc1"} <= set(found)
    for name, one in found.items():
        weight = subject.network.get_submodule(name).weight.detach().numpy()
        matrix = weight.reshape(len(weight), -1)
        if weight.ndim == 4 and convolution == "kernel_last":
            matrix = np.moveaxis(weight, 1, 3).reshape(-1, weight.shape[1])
        (spectrum,) = one.spectra
        s = np.linalg.svd(matrix, compute_uv=False)
        assert spectrum.values == pytest.approx(s, abs=1e-5)
        assert spectrum.energy == pytest.approx((s[: spectrum.rank] ** 2).sum() / (s**2).sum(), rel=1e-5)
        seen = []
        hook = subject.network.get_submodule(name).register_forward_hook(
            lambda _m, x, y, seen=seen: seen.append((x[0], y))
        )
        with torch.no_grad():
            subject.network(some(subject).images)
            hook.remove()
            (given, gave), now = seen[0], model.network.get_submodule(name)
            lost = gave - now(given)
        variance = gave.transpose(0, 1).flatten(1).var(1, unbiased=False).mean()
        each = (lost.square().flatten(1).mean(1) / variance).numpy()
        assert one.lost == pytest.approx(
            float(lost.transpose(0, 1).flatten(1).var(1, unbiased=False).mean() / variance), rel=1e-3
        )
        assert one.responses == pytest.approx(np.sort(each)[::-1][:8], rel=1e-3)
        assert list(one.indices[:1]) == [int(each.argmax())]
        labels = some(subject).labels.numpy()
        assert one.by_class[3] == pytest.approx(each[labels == 3].mean(), rel=1e-3)


def test_a_planted_direction_is_found_and_its_images_named():
    """A layer that answers to two directions keeps the strong one; only one image has the other."""
    dense = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    strong, weak = torch.eye(4)[0], torch.eye(4)[1]
    with torch.no_grad():
        dense[1].weight.copy_(
            torch.outer(torch.tensor([5.0, 0, 0]), strong) + torch.outer(torch.tensor([0, 1.0, 0]), weak)
        )
    from workbench.layers.factorised import FactorisedLinear

    model = Compressed.of(dense)
    model.network[1] = FactorisedLinear(4, 1, 3)
    images = torch.zeros(6, 1, 2, 2)
    images[:, 0, 0, 0] = torch.arange(6.0)
    images[4, 0, 0, 1] = 3.0
    batch = Batch(images, torch.tensor([0, 0, 0, 0, 1, 0]))
    (one,) = directions(dense, model, batch, SILENT, indices=torch.arange(6) + 100)
    assert one.spectra[0].rank == 1 and one.spectra[0].values[:2].tolist() == pytest.approx([5, 1])
    assert one.spectra[0].energy == pytest.approx(25 / 26)
    assert one.indices[0] == 104 and one.responses[1] == pytest.approx(0, abs=1e-9) and int(one.by_class.argmax()) == 1
    x = images[:, 0, 0].numpy()
    assert one.lost == pytest.approx(x[:, 1].var() / (25 * x[:, 0].var() + x[:, 1].var()), rel=1e-5)


def test_tucker_cuts_two_sides_and_cp_none(subject):
    tucker = looked_at(subject, made(subject, "lowrank.tucker2:rank_share=0.4"))
    weight = subject.network.conv2.weight.detach().numpy()
    out, into = tucker["conv2"].spectra
    assert out.values == pytest.approx(np.linalg.svd(weight.reshape(len(weight), -1), compute_uv=False), abs=1e-5)
    assert into.values == pytest.approx(
        np.linalg.svd(np.moveaxis(weight, 1, 0).reshape(weight.shape[1], -1), compute_uv=False), abs=1e-5
    )
    assert 0 < tucker["conv2"].lost < 1 and tucker["conv2"].note
    cp = looked_at(subject, made(subject, "lowrank.cp:rank_share=0.3"))
    assert all(one.spectra == () and one.lost > 0 for one in cp.values()) and cp


def test_everything_kept_is_all_the_energy():
    assert Spectrum("", np.array([3.0, 1.0]), 2).energy == 1.0 and Spectrum("", np.zeros(2), 1).energy == 1.0


def test_the_record_grows_and_has_what_the_recipe_calls_for(subject):
    batch = subject.dataset.validation
    quant = list(inside(subject.network, made(subject, "quant.kmeans_share:bits=3"), batch, split="validation"))
    assert [one.n for one in quant] == [64, 256] and [one.complete for one in quant] == [False, True]
    assert len(quant[-1].levels) == 4 and quant[-1].directions == ()
    *_, first, last = inside(subject.network, made(subject, "lowrank.tsvd"), batch, split="validation")
    assert last.complete and not first.complete and last.directions and last.levels == ()
    index = last.directions[0].indices[0]
    assert last.labels[index] == int(batch.labels[index]) and set(last.pictures) == set(last.labels)
    assert last.pictures[index].shape == (28, 28, 1)
