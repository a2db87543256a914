"""Training with quantized weights, the first and the last layer, and what came before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Batch, Context
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe
from workbench.core.values import Floats, Levels
from workbench.experiment.pipeline import compress
from workbench.experiment.run import about
from workbench.experiment.sensitivity import scan
from workbench.experiment.subject import subject_named
from workbench.layers.activations import InputQuantizer
from workbench.layers.factorised import FactorisedLinear
from workbench.measure.accuracy import accuracy
from workbench.methods import method_of, methods, parse_step
from workbench.methods.quant._policy import ends_of
from workbench.methods.quant._straight_through import StraightThroughMethod
from workbench.networks.artifact import pack_model, unpack_model
from workbench.train.recovery import fitter
from workbench.train.settings import recovery_settings

TRAINED = [name for name, cls in methods().items() if issubclass(cls, StraightThroughMethod)]


@pytest.fixture(scope="module")
def subject():
    """Training sees 600 digits as they are: quick."""
    whole = subject_named("lenet5_1998", "digits")
    settings = dataclasses.replace(recovery_settings("digits"), shift=0.0, rotation=0.0, scale=0.0)
    some = Batch(whole.dataset.train.images[:600], whole.dataset.train.labels[:600])
    return dataclasses.replace(whole, fit=fitter(dataclasses.replace(whole.dataset, train=some), settings))


@pytest.fixture(scope="module")
def few(subject):
    """Training on 96 digits: for what does not depend on how well it goes."""
    data = Batch(subject.dataset.train.images[:96], subject.dataset.train.labels[:96])
    return dataclasses.replace(subject, fit=fitter(dataclasses.replace(subject.dataset, train=data)))


def compressed(subject, *steps, progress=None):
    return compress(Recipe("lenet5_1998", "digits", tuple(map(parse_step, steps))), subject, progress=progress)


def right(model, subject):
    return accuracy(model.network, subject.dataset.split("test"), split="test").accuracy


@pytest.mark.parametrize(
    ("step", "least"),
    [
        ("quant.bwn:first_last=same", 0.9),
        ("quant.twn", 0.95),
        ("quant.dorefa:bits=1,activation_bits=2", 0.9),
        ("quant.dorefa:bits=2", 0.95),
        ("quant.dfp:bits=2,activation_bits=4,length=error", 0.85),
    ],
)
def test_training_with_the_codes_beats_rounding_at_one_and_two_bits(step, least, subject):
    before = right(compressed(subject, step), subject)
    name, _, knobs = step.partition(":")
    after = right(compressed(subject, f"{name}:{knobs and knobs + ','}epochs=3,learning_rate=0.002"), subject)
    assert after > before + 0.02
    assert after >= least


@pytest.mark.parametrize("name", TRAINED)
def test_what_was_trained_is_stored_by_the_very_same_encoding(name, few):
    """The file's codes are what `encode` makes of real weights, and nothing but codes is left in the layers."""
    model = compressed(few, f"{name}:epochs=1,first_last=same")
    read = unpack_model(pack_model(model, **about(Recipe("lenet5_1998", "digits", ()), few)).data)
    method = method_of(parse_step(name))
    for layer in layers_of(model.network):
        encoded = model.encoded[layer.tensor]
        assert type(encoded.values) is not Floats
        assert encoded.values.quantized
        weight = model.weight(layer).numpy()
        assert np.array_equal(weight, encoded.decode())
        assert np.array_equal(weight, read.network.get_submodule(layer.name).weight.detach().numpy())
        again = method.encode(dataclasses.replace(encoded, values=Floats(encoded.stored())), layer, None)
        assert np.array_equal(np.sign(again.decode()), np.sign(weight)) or name == "quant.dorefa"
    assert not any("parametrizations" in n for n, _ in model.network.named_parameters())
    assert list(few.network.state_dict()) == [n.replace(".layer.", ".") for n in plain_names(model.network)]


def plain_names(network):
    return [n for n in network.state_dict() if not n.endswith("scale")]


@pytest.mark.parametrize("name", TRAINED)
def test_removed_weights_stay_removed_while_training(name, few):
    model = compressed(few, "prune.magnitude_iter:pruning_ratio=0.7", f"{name}:epochs=1,first_last=same")
    pruned = compressed(few, "prune.magnitude_iter:pruning_ratio=0.7")
    for layer, old in zip(layers_of(model.network), layers_of(pruned.network), strict=True):
        assert not model.weight(layer)[pruned.weight(old) == 0].any()
        assert model.encoded[layer.tensor].values.n <= pruned.encoded[old.tensor].values.n


def test_training_leaves_the_codes_of_other_layers(few):
    model = compressed(few, "quant.kmeans_share:bits=3@conv1+fc2", "quant.bwn:epochs=1,first_last=same@conv2+fc1")
    kinds = {name: e.values.kind for name, e in model.encoded.items()}
    assert kinds == {
        "conv1.weight": "codebook",
        "fc2.weight": "codebook",
        "conv2.weight": "levels",
        "fc1.weight": "levels",
    }


def test_a_cancelled_training_leaves_nothing_behind(few):
    before = {n: t.clone() for n, t in few.network.state_dict().items()}
    left = iter(range(6))

    def report(doing, share):
        if next(left, None) is None:
            raise Cancelled

    with pytest.raises(Cancelled):
        compressed(few, "quant.dorefa:epochs=2,gradient_bits=4", progress=Progress(report))
    assert all(torch.equal(t, before[n]) for n, t in few.network.state_dict().items())
    assert not any(m._forward_pre_hooks for m in few.network.modules())


def test_recovery_after_quantized_activations_trains_scales_and_biases(few):
    step = "quant.dorefa:first_last=same"
    before, after = compressed(few, step), compressed(few, step, "recover.finetune:epochs=1")
    for layer in layers_of(after.network):
        old, new = (m.encoded[layer.tensor].values for m in (before, after))
        assert np.array_equal(old.codes, new.codes)
        assert not np.array_equal(old.scale, new.scale), f"no gradient reached {layer.name}"
    grids = [[m.spec() for m in x.network.modules() if isinstance(m, InputQuantizer)] for x in (before, after)]
    assert grids[0] == grids[1]


def test_rounded_gradients_change_the_training_and_are_off_afterwards(few):
    plain, rounded = (compressed(few, f"quant.dorefa:epochs=1,gradient_bits={g}") for g in (32, 2))
    assert not torch.equal(plain.network.fc1.layer.weight, rounded.network.fc1.layer.weight)
    assert all(m.gradient_bits == 0 for m in rounded.network.modules() if isinstance(m, InputQuantizer))
    none = compressed(few, "quant.dorefa:epochs=1,gradient_bits=4,activation_bits=32")
    assert "rounded no gradients" in none.notes[-1]


def test_training_needs_a_trainer():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    model = Compressed.of(network)
    with pytest.raises(WorkbenchError, match="quant.bwn trains, and was run without a dataset"):
        methods()["quant.bwn"](epochs=1).apply(model, Context(input_shape=(1, 2, 2)))


# The first and the last layer


@pytest.mark.parametrize("name", TRAINED)
def test_the_ends_are_left_stored_in_eight_bits_or_like_the_others(name, few):
    ends = {"conv1", "fc3"}
    default = method_of(parse_step(name)).first_last
    assert default == ("float" if name in ("quant.bwn", "quant.dorefa") else "same")
    for choice in ("float", "eight_bit", "same"):
        model = compressed(few, f"{name}:first_last={choice}")
        kinds = {n.split(".")[0]: e.values for n, e in model.encoded.items() if n.endswith("weight")}
        quantized = {n.split(".")[0]: m.bits for n, m in model.network.named_modules() if isinstance(m, InputQuantizer)}
        own = set(kinds) if choice == "same" else set(kinds) - ends
        assert set(kinds) == (own if choice == "float" else {"conv1", "conv2", "fc1", "fc2", "fc3"})
        assert len({type(kinds[n]) for n in own}) == 1
        if choice == "eight_bit":
            assert {kinds[n].bits for n in ends} == {8}
            assert {quantized[n] for n in ends & set(quantized)} <= {8}
            assert model.notes == (
                f"{name} stored conv1, fc3 in 8 bits: the first and the last layer; first_last=same has no exception.",
            )
        elif choice == "float":
            assert not ends & set(quantized)
            assert "left conv1, fc3 in floating point" in model.notes[0]
        else:
            assert model.notes == ()


def test_a_step_for_the_first_layer_alone_says_that_it_left_it(few):
    model = compressed(few, "quant.bwn@conv1")
    assert model.encoded == {}
    assert len(model.notes) == 1
    assert "left conv1 in floating point" in model.notes[0]
    assert compressed(few, "quant.bwn@conv2").notes == ()


def test_the_parts_of_a_factorised_end_are_the_end():
    network = nn.Sequential()
    network.fc1, network.mid, network.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)
    assert ends_of(network) == {"fc1", "out"}
    network.out = FactorisedLinear(8, 2, 4)
    assert ends_of(network) == {"fc1", "out.first", "out.second"}


def test_grouped_and_depthwise_convolutions_have_a_scale_for_each_filter(branched):
    network, shape = branched
    calibration = Batch(torch.rand(16, *shape), torch.zeros(16, dtype=torch.long))
    for name in TRAINED:
        model = methods()[name](first_last="same").apply(
            Compressed.of(network), Context(input_shape=shape, calibration=calibration)
        )
        assert torch.isfinite(model.network(calibration.images)).all()
    model = methods()["quant.bwn"]().apply(Compressed.of(network), Context(input_shape=shape))
    values = model.encoded["depthwise.weight"].values
    assert isinstance(values, Levels)
    assert np.allclose(values.scale, network.depthwise.weight.detach().abs().mean((1, 2, 3)))


def test_a_knob_that_is_a_switch_can_be_scanned(few):
    *_, found = scan(parse_step("quant.bwn:first_last=same"), few)
    assert found.complete
    assert [p.value for p in found.points if p.layer == "conv2"] == [0.0, 1.0]
