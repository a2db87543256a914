"""Any network of one's own: what cannot be compressed is said, and the rest is compressed and read back to the bit."""

from __future__ import annotations

import copy

import pytest
import torch
from own_networks import CLASSES, NETWORKS, SHAPE, Branching, Computed, PlainList, SharedBlockNet, TiedLinear, made
from torch import Tensor, nn

from workbench.core.compressed import Compressed, layers_of, survey
from workbench.core.context import Batch, Context
from workbench.core.errors import WorkbenchError
from workbench.core.method import StructuredMethod
from workbench.core.notes import about, with_note
from workbench.core.recipe import Recipe
from workbench.core.records import SensitivityPoint
from workbench.core.survey import BLOCKS, KEPT, LEFT, SHARED
from workbench.experiment.pipeline import plan, run_step
from workbench.layers.channels import groups_of
from workbench.layers.factorised import FactorisedLinear
from workbench.layers.swap import fixtures
from workbench.measure.accuracy import accuracy
from workbench.measure.anatomy import anatomy
from workbench.measure.macs import macs
from workbench.measure.sensitivity import sensitivity
from workbench.methods import methods
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude_iter import MagnitudeIter
from workbench.networks import adopt, build
from workbench.networks.artifact import pack_model, unpack_model
from workbench.texts import anatomy_text
from workbench.train.loop import Loop, optimizer_for
from workbench.train.losses import cross_entropy
from workbench.train.settings import TrainSettings

METHODS = methods()
each_network = pytest.mark.parametrize("kind", NETWORKS, ids=lambda kind: kind.__name__)
IMAGES = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(8) % CLASSES


def lent_fit(model, context, *, epochs, learning_rate, loss=None):
    return model.copy()


def context_for(network: nn.Module) -> Context:
    return Context(input_shape=SHAPE, teacher=network, fit=lent_fit, calibration=Batch(IMAGES, LABELS))


def compressed(network: nn.Module, method: str) -> Compressed:
    model = Compressed.of(network)
    for planned in plan(Recipe("n", "d", (METHODS[method]().step(),)), network):
        context = context_for(network).of_step(planned.step, context_for(network).progress)
        model = run_step(planned, model, context)
    return model


def packed(model: Compressed, name: str):
    header = {"dataset": "d", "input_shape": SHAPE, "classes": CLASSES, "recipe_json": "{}"}
    return pack_model(model, network=name, **header)


def answer(network: nn.Module, x: Tensor = IMAGES) -> Tensor:
    with torch.no_grad():
        return network(x)


USUAL = ("prune.l1_filter", "prune.magnitude_iter", "quant.int8_linear", "lowrank.tsvd")
HARDEST = (SharedBlockNet, TiedLinear, Branching)
PAIRS = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}", marks=() if quick else pytest.mark.slow)
    for kind in NETWORKS
    for name in METHODS
    for quick in [name in USUAL or kind in HARDEST]
]


@pytest.fixture(autouse=True)
def _one_thread():
    """More threads than one take longer for networks as small as these."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_compressed_written_and_read_back_to_the_bit(kind, name):
    network = made(kind)
    before = copy.deepcopy(network.state_dict())
    spec = adopt(network, input_shape=SHAPE, classes=CLASSES, name=kind.__name__)
    if METHODS[name].refuses(network):
        pytest.skip(METHODS[name].refuses(network))
    model = compressed(network, name)
    file = packed(model, spec.name)
    read = unpack_model(file.data)
    assert torch.equal(answer(model.network), answer(read.network))
    assert [x.name for x in layers_of(model.network)] == [x.name for x in layers_of(read.network)]
    assert sum(file.parts.values()) == len(file.data)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@each_network
def test_masked_equals_removed(kind):
    network, context = made(kind), context_for(made(kind))
    structured = [cls for cls in METHODS.values() if issubclass(cls, StructuredMethod)]
    assert len(structured) >= 5
    for cls in structured:
        masked, removed = (f(Compressed.of(network), context).network for f in (cls().masked, cls().apply))
        torch.testing.assert_close(answer(masked), answer(removed), rtol=1e-4, atol=1e-5)


@each_network
def test_every_group_that_is_free_can_really_lose_any_unit(kind):
    """A second way: not a third of the units as in the trial, but each unit alone, in 64-bit floats."""
    from workbench.layers.shrink import kept_positions, shrink, silence

    network = made(kind).double()
    x = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(5)).double()
    for group in groups_of(made(kind), SHAPE):
        for unit in range(group.count if not group.refusal else 0):
            keep = torch.arange(group.count) != unit
            silent, smaller = copy.deepcopy(network), copy.deepcopy(network)
            silence(silent, group, keep)
            shrink(smaller, kept_positions([(group, keep)]))
            torch.testing.assert_close(answer(silent, x), answer(smaller, x), rtol=1e-9, atol=1e-10)


@each_network
def test_sensitivity_equals_the_plain_loop(kind):
    network, batch = made(kind), Batch(IMAGES, LABELS)
    names, context = [x.name for x in layers_of(network)], context_for(network)

    def variant(layer: str, level: float) -> Compressed:
        step = MagnitudeIter(pruning_ratio=level).step((layer,))
        return MagnitudeIter(pruning_ratio=level).apply(Compressed.of(network), context.of_step(step, context.progress))

    found = list(sensitivity(network, batch, variants=variant, layers=names, levels=[0.3, 0.9], split="validation"))
    assert len(found) == 2 * len(names)
    for point in found:
        assert isinstance(point, SensitivityPoint)
        plain = accuracy(variant(point.layer, point.value).network, batch, split="validation")
        assert point.accuracy.correct == plain.correct


def whole(kind: type[nn.Module]) -> dict[str, str]:
    return {name: group.refusal for group in groups_of(made(kind), SHAPE) for name in group.producers}


EXPECTED = {
    "CalledTwice": {"again": ""},
    "TiedLinear": {"encoder": "decoder.weight", "narrow": "linear with narrow.weight"},
    "FunctionalCat": {"stem": "", "left": "", "right": "", "fc1": ""},
    "Branching": {"stem": "looks at values", "bright.0": "", "bright.3": "leave bright", "dark": "looks at values"},
    "CustomFunction": {"conv1": "", "conv2": ""},
    "BareParameter": {"conv1": "gain", "conv2": ""},
    "SequenceHead": {"conv1": "", "conv2": "head (Conv1d)"},
    "SqueezeExcite": {"stem": "", "up": "", "down": "", "last": ""},
    "InvertedCat": {"stem": "", "expand": "", "mix": ""},
    "Recurrent": {"stem": "", "cell": ""},
    "ListOfSeen": {"conv1": "", "conv2": ""},
    "Reused": {"stem": "", "body.0.0": ""},
    "HardCoded": {"conv1": "", "conv2": "PixelShuffle", "conv3": "number 980"},
    "Attentive": {"conv1": "", "conv2": "permute", "query": "another axis"},
    "Grouped": {"stem": "grouped convolution", "point": "PReLU", "last": "no scale and shift"},
    "Computed": {"plain": "what table gives"},
    "Rows": {"conv1": "", "conv2": "permute"},
    "SharedBlockNet": {"shared": "conv2d with mask", "side": "", "fc1": ""},
}


@each_network
def test_which_layers_lose_units_and_why_others_do_not(kind):
    found = whole(kind)
    for layer, reason in EXPECTED[kind.__name__].items():
        assert (reason in found[layer]) if reason else found[layer] == "", (layer, found[layer])


def test_a_tied_weight_is_one_layer_stored_once_and_stays_tied():
    network = made(TiedLinear)
    assert [x.name for x in layers_of(network)] == ["conv", "encoder", "narrow", "fc"]
    spec = adopt(network, input_shape=SHAPE, classes=CLASSES, name="tied")
    model = compressed(network, "quant.int8_linear")
    assert model.network.decoder.weight is model.network.encoder.weight
    file = packed(model, spec.name)
    assert "encoder.weight" in file.tensor_bytes and "decoder.weight" not in file.tensor_bytes
    assert file.tensor_bytes["encoder.weight"] < 32 * 32 + 32 * 4 + 16  # one byte a weight, four a row, once
    read = unpack_model(file.data).network
    assert read.decoder.weight is read.encoder.weight
    untied = made(TiedLinear)
    untied.decoder.weight = nn.Parameter(untied.encoder.weight.detach().clone())
    other = adopt(untied, input_shape=SHAPE, classes=CLASSES, name="untied")
    twice = packed(compressed(untied, "quant.int8_linear"), other.name)
    assert len(twice.data) - len(file.data) > 900


def test_a_tied_weight_keeps_its_form_where_others_get_factors():
    network = made(TiedLinear)
    model = compressed(network, "lowrank.tsvd")
    assert type(model.network.encoder) is nn.Linear and type(model.network.fc) is FactorisedLinear
    assert any("left encoder whole" in note for note in model.notes)
    assert set(fixtures(network, SHAPE)) == {"encoder", "narrow"}


def test_what_stands_twice_gets_the_same_factors_in_both_places():
    first = nn.Linear(16, 16)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), first, nn.ReLU(), first, nn.Linear(16, 4)).eval()
    spec = adopt(network, input_shape=(3, 4, 4), classes=4, name="twice")
    model = Compressed.of(network)
    model = METHODS["lowrank.tsvd"]().apply(model, Context(input_shape=(3, 4, 4)))
    assert isinstance(model.network[2], FactorisedLinear) and model.network[4] is model.network[2]
    file = pack_model(model, network=spec.name, dataset="d", input_shape=(3, 4, 4), classes=4, recipe_json="{}")
    read = unpack_model(file.data).network
    x = torch.rand(2, 3, 4, 4)
    assert read[4] is read[2] and torch.equal(answer(model.network, x), answer(read, x))


def test_calls_and_multiply_accumulates_of_a_layer_that_runs_twice():
    network = made(SharedBlockNet)
    facts = {fact.name: fact for fact in anatomy(network, SHAPE).layers}
    assert facts["shared"].calls == 2
    assert facts["shared"].macs == macs(network, SHAPE)["shared"] == 2 * 12 * 12 * 8 * 8 * 9
    assert anatomy(network, SHAPE).remarks == (
        "10,368 more multiply-accumulates run outside of layers, as functions, and are in no count here.",
    )
    assert 10_368 == 12 * 12 * 8 * 9


def test_what_no_method_acts_on_is_named_with_the_reason():
    parts = {part.name: part for part in survey(made(Computed))}
    assert {name: part.role for name, part in parts.items()} == dict.fromkeys(
        ["own", "normed", "pruned", "table"], LEFT
    )
    assert "of its own kind" in parts["own"].reason and "remove_parametrizations" in parts["normed"].reason
    assert "prune.remove" in parts["pruned"].reason and parts["table"].parameters == 24
    assert parts["normed"].parameters == 6 + 6 * 54 + 6
    counted = sum(p.parameters for p in parts.values()) + sum(
        f.parameters for f in anatomy(made(Computed), SHAPE).layers
    )
    assert counted == sum(p.numel() for p in made(Computed).parameters())


@pytest.mark.parametrize("kind", [k for k in NETWORKS if k is not TiedLinear], ids=lambda kind: kind.__name__)
def test_layers_and_what_is_left_are_the_whole_network(kind):
    """Every parameter is counted exactly once."""
    network = made(kind)
    layers = sum(p.numel() for x in layers_of(network) for p in network.get_submodule(x.name).parameters())
    assert layers + sum(part.parameters for part in survey(network)) == sum(p.numel() for p in network.parameters())


def test_norms_are_kept_and_second_names_are_shared():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    network.append(network[2])
    assert [(p.name, p.role, p.parameters) for p in survey(network)] == [("1", KEPT, 8), ("3", SHARED, 0)]


class Held(nn.Module):
    def __init__(self, **parts) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        for name, part in parts.items():
            setattr(self, name, part)


def same_memory() -> nn.Module:
    network = Held(other=nn.Linear(3, 3))
    network.other.weight = nn.Parameter(network.fc.weight)
    return network


BLOCKED = {
    "list": (lambda: Held(parts=[nn.Linear(3, 3)]), "parts[0] (Linear)", "nn.ModuleList"),
    "dict of lists": (lambda: Held(parts={"a": [nn.Linear(3, 3)]}), "parts[a][0] (Linear)", "nn.ModuleList"),
    "parameter": (lambda: Held(parts=[nn.Parameter(torch.ones(2))]), "parts[0] (Parameter)", "nn.ParameterList"),
    "lazy": (lambda: Held(lazy=nn.LazyLinear(3)), "lazy (LazyLinear)", "call the network once"),
    "double": (lambda: Held(other=nn.Linear(3, 3).double()), "other", "network.float()"),
    "complex": (lambda: Held(other=nn.Parameter(torch.ones(2, dtype=torch.complex64))), "other", "32-bit"),
    "memory": (same_memory, "other.weight", "a.weight = b.weight"),
}


@pytest.mark.parametrize("case", BLOCKED)
def test_what_no_file_can_hold_is_refused_in_a_sentence(case):
    build_it, name, remedy = BLOCKED[case]
    network = build_it()
    assert any(part.role == BLOCKS for part in survey(network))
    with pytest.raises(WorkbenchError) as caught:
        Compressed.of(network)
    assert str(caught.value).startswith(name) and remedy in str(caught.value)


def test_convolutions_out_of_sight_are_said_by_the_command_too():
    made_of = anatomy(made(PlainList), SHAPE)
    assert "Nothing in this network can be compressed before blocks[0] is changed" in anatomy_text(made_of)


def test_a_quantized_layer_is_refused():
    quantized = torch.ao.nn.quantized.Linear(3, 3)
    (part,) = survey(Held(packed=quantized))
    assert (part.name, part.role, part.parameters) == ("packed", BLOCKS, 12)


def test_a_constant_that_is_not_registered_is_named():
    (part,) = survey(Held(mean=torch.tensor([0.5])))
    assert part.name == "mean" and part.role == LEFT and "register_buffer" in part.reason


def test_half_precision_layers_are_left_with_the_reason():
    (part,) = survey(Held(other=nn.Linear(3, 3).half()))
    assert "float16" in part.reason and layers_of(Held(other=nn.Linear(3, 3).half()))[-1].name == "fc"


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(nn.functional.dropout(self.conv2(self.conv1(x)), 0.5).mean((2, 3)))


class Several(Random):
    def forward(self, x):
        x = self.conv1(x)
        return {"scores": self.fc(torch.relu(self.conv2(x)).mean((2, 3))), "more": [x.sum(), x.mean(1)]}


def test_a_network_that_throws_dice_keeps_its_units_and_says_so():
    assert "differently each time" in whole(Random)["conv1"]
    assert any("dropout" in remark for remark in anatomy(made(Random), SHAPE).remarks)


def test_answers_in_a_dictionary_do_not_stop_the_survey():
    found = anatomy(made(Several), SHAPE)
    assert any("one row of scores" in remark for remark in found.remarks)
    units = {name: group.refusal for group in found.groups for name in group.layers}
    assert units["conv2"] == "" and units["conv1"] and "answer" in units["fc"]


def test_a_network_that_does_not_run_is_refused_in_a_sentence():
    with pytest.raises(WorkbenchError, match=r"does not run on an image of \(1, 4, 4\)"):
        anatomy(made(Random), (1, 4, 4))


def test_layers_that_share_a_reason_share_a_note():
    notes = with_note(with_note((), "a.b left conv1 whole: why."), "a.b left conv10 whole: why.")
    assert notes == ("a.b left conv1, conv10 whole: why.",)
    assert with_note(notes, "a.b left conv10 whole: why.") == notes
    more = with_note(notes, "a.b left fc whole: other.")
    assert more == (*notes, "a.b left fc whole: other.")
    assert about("fc", more) == more[1] and about("conv", more) == "" and about("conv1", more) == notes[0]


def test_another_length_of_the_loop_is_another_architecture():
    """The same modules in another forward must not be taken for one another."""
    short, long = nn.Module, nn.Module
    from own_networks import Recurrent

    short, long = made(Recurrent), made(Recurrent)
    long.steps = 1
    assert groups_of(short, SHAPE) is not groups_of(long, SHAPE)
    assert groups_of(short, SHAPE) is groups_of(made(Recurrent), SHAPE)


def test_the_adopted_network_is_built_tied_again():
    adopt(made(TiedLinear), input_shape=SHAPE, classes=CLASSES, name="again")
    network = build("own/again", input_shape=SHAPE, classes=CLASSES)
    assert network.decoder.weight is network.encoder.weight


def test_filters_really_go_where_the_way_is_free():
    network = made(SharedBlockNet)
    removed = L1Filter(pruning_ratio=0.5).apply(Compressed.of(network), context_for(network))
    assert removed.network.side.out_channels == 3 and removed.network.fc1.in_features == (8 + 3) * 36
    assert any("left stem, shared whole" in note and "mask" in note for note in removed.notes)


class Viewed(nn.Module):
    """What most tutorials write between the last convolution and the first linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.point, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4 * 100, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.point(torch.relu(self.conv(x))))
        return self.fc(x.view(x.size(0), -1))


def test_a_view_that_wants_rows_in_order_is_measured_and_trained():
    network, batch = made(Viewed), Batch(IMAGES, LABELS)
    settings = TrainSettings(epochs=1, batch=4)
    before = network.fc.weight.clone()
    assert accuracy(network, batch, split="validation").correct == int((answer(network).argmax(1) == LABELS).sum())
    loop = Loop(network, batch, settings, cross_entropy(0.0), optimizer_for(network, settings))
    assert len(list(loop.steps(0))) == 2 and not torch.equal(before, network.fc.weight)
    assert not network._forward_pre_hooks
