"""Every method, every knob, no code for any one of them: a new file under methods/ is tested the moment it exists.

A method may excuse itself from a named check with a written reason, which the table of methods prints.
"""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from workbench import docs
from workbench.cli import parser
from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Batch, Context
from workbench.core.errors import Cancelled, KnobError, WorkbenchError
from workbench.core.knob import knobs_of
from workbench.core.method import Combination, Method, StructuredMethod
from workbench.core.order import KINDS
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step, from_json, to_json
from workbench.experiment.pipeline import compress, plan, run_step
from workbench.experiment.run import about
from workbench.experiment.subject import subject_named
from workbench.experiment.sweep import along, axis
from workbench.methods import FAMILIES, checked, method_of, methods, parse_step
from workbench.networks.artifact import estimate_model, pack_model, unpack_model
from workbench.train.recovery import fitter
from workbench.ui.controls import make

METHODS = methods()
KNOBS = [pytest.param(m, n, k, id=f"{m}.{n}") for m, c in METHODS.items() for n, k in knobs_of(c).items()]
each_method = pytest.mark.parametrize("name", METHODS)
each_knob = pytest.mark.parametrize(("name", "key", "knob"), KNOBS)
CHECKS = {"neutral", "monotone", "degenerate", "estimate"}
NETWORK, DATA = "lenet5_1998", "digits"


@pytest.fixture(scope="module")
def subject():
    """The real network on real digits; training sees 128 of them, so that methods that train are quick."""
    whole = subject_named(NETWORK, DATA)
    few = Batch(whole.dataset.train.images[:128], whole.dataset.train.labels[:128])
    return dataclasses.replace(whole, fit=fitter(dataclasses.replace(whole.dataset, train=few)))


def unless_excused(name: str, check: str) -> None:
    if check in METHODS[name].excused:
        pytest.skip(f"excused: {METHODS[name].excused[check]}")


def quick(name: str, **knobs) -> Step:
    """The method at its defaults, trained for one epoch at most."""
    cls = METHODS[name]
    short = {"epochs": 1} if "epochs" in knobs_of(cls) and knobs_of(cls)["epochs"].default > 1 else {}
    return cls(**{**short, **knobs}).step()


def levels(cls: type[Method], n: int) -> list:
    """Values that span the axis; of a number of epochs the first two, since time is all that grows."""
    grid = knobs_of(cls)[cls.axis].grid(n)
    return [0, 1] if cls.axis == "epochs" else grid


def compressed(step: Step, subject, seed: int = 0, progress: Progress | None = None) -> Compressed:
    return compress(Recipe(NETWORK, DATA, (step,), seed), subject, progress=progress)


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def hooks_of(network: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")
    return sum(len(getattr(m, kind)) for m in network.modules() for kind in kinds)


def packed(model: Compressed, step: Step, subject):
    return pack_model(model, **about(Recipe(NETWORK, DATA, (step,)), subject))


# What a method declares


@each_method
def test_every_field_is_a_knob_declared_once(name):
    cls = METHODS[name]
    assert {f.name for f in dataclasses.fields(cls)} == set(knobs_of(cls))
    assert cls.axis in knobs_of(cls)


@each_method
def test_says_what_it_is(name):
    cls = METHODS[name]
    assert cls.__doc__
    assert not cls.__doc__.startswith(cls.__name__ + "(")
    assert cls.title
    assert re.search(r"\b(18|19|20)\d\d\b", cls.citation)
    assert cls.sets in KINDS
    assert cls.family() in FAMILIES
    assert cls.id() == name
    assert set(cls.needs) <= {f.name for f in dataclasses.fields(Context)}


@each_method
def test_excuses_are_reasons_and_are_printed(name):
    for check, why in METHODS[name].excused.items():
        assert check in CHECKS
        assert len(why) > 20
        assert f"- `{name}` is not checked for *{check}*: {why}." in docs.methods_table()


@each_knob
def test_the_default_is_legal_and_documented(name, key, knob):
    assert knob.accepts(knob.default)
    assert knob.help
    assert not knob.help.endswith(".")
    assert all(knob.accepts(v) for v in knob.grid(5))


@each_knob
def test_bad_values_are_refused_by_name_range_and_value(name, key, knob):
    for bad in knob.bad_values():
        with pytest.raises(KnobError) as caught:
            METHODS[name](**{key: bad})
        assert str(caught.value) == f"{name}: {key} must be {knob}; got {bad!r}."


@each_method
def test_an_unknown_knob_is_refused_by_name(name):
    with pytest.raises(WorkbenchError, match=rf"{name} has no knob 'nonsense'; it has "):
        method_of(Step(name, {"nonsense": 1}))


# The same declaration everywhere


@each_knob
def test_json_and_command_line_round_trips(name, key, knob):
    for value in knob.grid(4):
        step = METHODS[name](**{key: value}).step(("fc1",))
        assert from_json(to_json(step), Step) == step
        assert method_of(from_json(to_json(step), Step)) == method_of(step)
        options = parser().parse_args(["compress", "--network", "n", "--dataset", "d", "--step", str(step)])
        assert parse_step(options.step[0]) == step


@each_knob
def test_the_control_shows_the_default_unrounded(name, key, knob):
    widget = make(key, knob)
    assert widget.value == knob.default
    assert type(widget.value) is type(knob.default)
    if knob.numeric:  # the browser moves a slider to its nearest position
        start = math.log10(knob.default) if knob.log else knob.default
        positions = (start - widget.min) / widget.step
        assert positions == pytest.approx(round(positions), abs=1e-6)


@each_knob
def test_has_a_row_in_the_table(name, key, knob):
    rows = [r for r in docs.methods_table().splitlines() if f"| `{key}` | {docs.escaped(str(knob))} |" in r]
    assert any(docs.escaped(knob.help) in r and r.replace(r"\|", "").count("|") == 7 for r in rows)


@each_method
def test_has_a_sweep_axis(name):
    key, values = axis(name)
    assert key in knobs_of(METHODS[name])
    assert len(values) >= 2
    recipe = Recipe(NETWORK, DATA, (METHODS[name]().step(),))
    assert [r.steps[0].knobs[key] for r in along(recipe, 0, key, values)] == values


# What a method does


@each_method
def test_the_input_network_is_untouched(name, subject):
    before, hooks = state(subject.network), hooks_of(subject.network)
    model = compressed(quick(name), subject)
    assert equal(before, state(subject.network))
    assert hooks_of(subject.network) == hooks
    assert hooks_of(model.network) == 0
    assert not any("parametrizations" in n for n, _ in model.network.named_modules())
    assert not model.network.training


@each_method
@pytest.mark.parametrize("accident", [Cancelled, RuntimeError])
def test_the_input_network_is_untouched_by_failure_and_cancel(name, accident, subject):
    """Fails or stops at the first report, at the second, and so on, until it gets through."""
    before, hooks = state(subject.network), hooks_of(subject.network)
    for reports in range(3):
        left = iter(range(reports))

        def report(doing, share, left=left):
            if next(left, None) is None:
                raise accident

        try:
            compressed(quick(name), subject, progress=Progress(report))
            finished = True
        except accident:
            finished = False
        assert equal(before, state(subject.network))
        assert hooks_of(subject.network) == hooks
        assert reports or not finished, "it never reports, so nobody could stop it"


@each_method
def test_cancel_is_heard(name, subject):
    with pytest.raises(Cancelled):
        compressed(quick(name), subject, progress=Progress(cancelled=lambda: True))


@each_method
def test_same_seed_same_result(name, subject):
    a, b = (compressed(quick(name), subject, seed=5) for _ in range(2))
    assert equal(state(a.network), state(b.network))
    assert packed(a, quick(name), subject).data == packed(b, quick(name), subject).data
    assert a.decisions == b.decisions


@each_method
def test_what_runs_is_what_is_read_back(name, subject):
    cls = METHODS[name]
    values = levels(cls, 3)
    for value in values:
        step = quick(name, **{cls.axis: value})
        model = compressed(step, subject)
        file = packed(model, step, subject)
        read = unpack_model(file.data)
        floats = {n: t for n, t in state(model.network).items() if t.is_floating_point()}
        assert equal(floats, {n: t for n, t in state(read.network).items() if n in floats})
        assert sum(file.parts.values()) == len(file.data) == read.file_bytes
        x = subject.calibration.images[:8]
        with torch.no_grad():
            assert torch.equal(model.network(x), read.network(x))


@each_method
def test_the_estimate_is_within_one_percent_of_the_file(name, subject):
    unless_excused(name, "estimate")
    cls = METHODS[name]
    for value in levels(cls, 3):
        step = quick(name, **{cls.axis: value})
        model = compressed(step, subject)
        guess = estimate_model(model, **about(Recipe(NETWORK, DATA, (step,)), subject))
        assert guess == pytest.approx(len(packed(model, step, subject).data), rel=0.01)


@each_method
def test_the_neutral_knob_is_the_identity(name, subject):
    unless_excused(name, "neutral")
    model = compressed(METHODS[name](**METHODS[name].neutral).step(), subject)
    assert equal(state(model.network), state(subject.network))


@each_method
def test_a_monotone_knob_is_monotone_in_bytes(name, subject):
    unless_excused(name, "monotone")
    cls = METHODS[name]
    assert cls.grows is not None
    sizes = []
    for value in knobs_of(cls)[cls.axis].grid(6):
        step = (
            quick(name, **{cls.axis: value})
            if "epochs" not in knobs_of(cls)
            else cls(**{cls.axis: value, "epochs": 0}).step()
        )
        sizes.append(len(packed(compressed(step, subject), step, subject).data))
    assert sizes == sorted(sizes, reverse=not cls.grows)
    assert sizes[0] != sizes[-1]


@each_method
@pytest.mark.parametrize("fill", ["zeros", "constant", "tiny", "one nonzero"])
def test_degenerate_weights(name, fill, subject):
    unless_excused(name, "degenerate")
    network = Compressed.of(subject.network).network
    for layer in layers_of(network):
        weight = network.get_submodule(layer.name).weight
        with torch.no_grad():
            weight.fill_({"zeros": 0.0, "constant": 0.5, "tiny": 1e-40, "one nonzero": 0.0}[fill])
            if fill == "one nonzero":
                weight.view(-1)[3] = 1.0
    other = dataclasses.replace(subject, network=network)
    step = quick(name)
    model = compressed(step, other)
    assert all(torch.isfinite(t).all() for t in state(model.network).values())
    assert unpack_model(packed(model, step, other).data).file_bytes > 0


class OneByOne(nn.Module):
    """A 1 x 1 weight in every layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.flatten, self.fc = nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return self.fc(self.flatten(self.pool(self.relu(self.conv(x)))))


def lent_fit(model, context, *, epochs, learning_rate, loss=None):
    return model.copy()


def lent(shape: tuple[int, ...], teacher: nn.Module) -> Context:
    """All that a method may ask for: random images, all of class 0, and a training that changes nothing."""
    images = torch.rand(64, *shape, generator=torch.Generator().manual_seed(0))
    batch = Batch(images, torch.zeros(64, dtype=torch.int64))
    return Context(input_shape=shape, calibration=batch, teacher=teacher, fit=lent_fit)


@each_method
def test_one_by_one_weights(name):
    network = OneByOne().eval()
    context = lent((1, 4, 4), network)
    model = Compressed.of(network)
    for planned in plan(Recipe("n", "d", (METHODS[name]().step(),)), network):
        model = run_step(planned, model, context)
    assert torch.isfinite(model.network(torch.ones(2, 1, 4, 4))).all()


@each_method
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(name, bad, subject):
    network = Compressed.of(subject.network).network
    with torch.no_grad():
        network.fc1.weight[0, 0] = bad
    with pytest.raises(WorkbenchError, match=r"fc1.weight holds values that are not finite"):
        compressed(quick(name), dataclasses.replace(subject, network=network))


@each_method
def test_masked_equals_removed(name, branched):
    cls = METHODS[name]
    if not issubclass(cls, StructuredMethod):
        pytest.skip("takes no units out")
    network, shape = branched
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    for value in knobs_of(cls)[cls.axis].grid(4):
        method = cls(**{cls.axis: value})
        context = lent(shape, network)
        masked = method.masked(Compressed.of(network), context).network(x)
        removed = method.apply(Compressed.of(network), context).network(x)
        assert torch.allclose(masked, removed, atol=1e-4)


@each_method
def test_says_what_it_did(name, subject):
    """Every layer that lost weights has a decision that counts them, or the values are codes, factors or trained."""
    model = compressed(quick(name), subject)
    for decision in model.decisions:
        assert 0 <= decision.removed <= decision.units
        assert decision.criterion
        if decision.kept:
            assert decision.kept.count(False) == decision.removed
            assert all(np.isfinite(decision.scores))


@each_method
def test_a_network_without_a_fitting_layer_is_refused_in_a_sentence(name):
    network = nn.Sequential(nn.Flatten())
    why = METHODS[name].refuses(network)
    assert why
    assert "none" in why


@each_method
def test_only_the_named_layers_change(name, subject):
    cls = METHODS[name]
    if issubclass(cls, Combination) or cls.sets == "training":
        pytest.skip("acts on the whole network")
    layer = next(x for x in layers_of(subject.network) if x.kind in cls.acts_on)
    model = compressed(dataclasses.replace(quick(name), layers=(layer.name,)), subject)
    outputs = {m for m, t in state(subject.network).items() if m.split(".")[0] != layer.name}
    now = state(model.network)
    consumers = [n for n in outputs if n not in now or now[n].shape != subject.network.state_dict()[n].shape]
    assert len(consumers) <= 1  # a structured method narrows the next layer
    assert all(torch.equal(now[n], subject.network.state_dict()[n]) for n in outputs if n not in consumers)


@each_method
def test_a_layer_with_its_own_value_is_that_layer_alone_at_that_value(name, subject):
    cls = METHODS[name]
    knob = knobs_of(cls)[cls.axis]
    if knob.whole or issubclass(cls, Combination) or cls.neutral is None:
        pytest.skip("its main knob holds for the whole network, or no setting leaves the other layers as they are")
    layer = next(x for x in layers_of(subject.network) if x.kind in cls.acts_on)
    value = knob.grid(5)[2]
    alone = compressed(cls(**{**cls.neutral, cls.axis: value}).step((layer.name,)), subject)
    own = dataclasses.replace(cls(**cls.neutral).step(), per_layer={layer.name: {cls.axis: value}})
    together = compressed(parse_step(str(own)), subject)
    assert equal(state(alone.network), state(together.network))
    assert not equal(state(alone.network), state(subject.network))


@each_method
def test_what_holds_for_the_whole_network_cannot_differ_in_a_layer(name):
    for key, knob in knobs_of(METHODS[name]).items():
        step = Step(name, {}, None, {"fc1": {key: knob.default}})
        if issubclass(METHODS[name], Combination) or knob.whole:
            with pytest.raises(WorkbenchError, match="fc1|several steps"):
                checked(step)
        else:
            assert checked(step) == METHODS[name]().step(), "a value that does not differ is not spelled"


def test_there_are_methods_and_each_is_a_file():
    assert len(METHODS) >= 7
    assert all(issubclass(cls, Method) for cls in METHODS.values())
