"""Another network of the same data as the teacher: by name, in a recipe, on the page, and refused with the reason."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
import torch
import ui_fakes
from test_ui_app import inside
from ui_fakes import choices

from workbench.core.context import Batch, Context
from workbench.core.errors import WorkbenchError
from workbench.core.knob import knobs_of
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step, from_json, to_json
from workbench.experiment.pipeline import canonical, compress
from workbench.experiment.questions import soft
from workbench.experiment.search.space import space_of
from workbench.experiment.subject import subject_named
from workbench.export import recipe_of_text, recipe_text
from workbench.methods import checked, parse_step
from workbench.methods.kd.hinton import Hinton
from workbench.networks import pretrained
from workbench.train.recovery import fitter
from workbench.ui.choices import default_step
from workbench.ui.history import difference
from workbench.ui.link import encoded, of_state
from workbench.ui.locks import touched
from workbench.ui.snapshot import captured
from workbench.ui.widgets import Menu

NAMES = ("lenet5", "lenet5@mine", "torchvision/resnet18", "own/net-1.0")
STEP = parse_step("kd.hinton:epochs=1,teacher=lenet5,weight=1")


@pytest.fixture(scope="module")
def subject():
    """Training sees 128 images, so that it is quick."""
    whole = subject_named("lenet5_1998", "digits")
    few = Batch(whole.dataset.train.images[:128], whole.dataset.train.labels[:128])
    return replace(whole, fit=fitter(replace(whole.dataset, train=few)))


def weights(made) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in made.network.parameters()])


def recipe(*steps: Step) -> Recipe:
    return Recipe("lenet5_1998", "digits", steps)


def test_it_learns_from_the_network_of_that_name(subject):
    """The same as the plain method whose context lends that network as the dense one."""
    named = compress(recipe(STEP), subject)
    other = pretrained("lenet5", "digits", input_shape=(1, 28, 28), classes=10)
    lent = dataclasses.replace(subject.context(recipe(), Progress()), teacher=other, networks=None)
    by_hand = Hinton(epochs=1, weight=1.0).apply(compress(recipe(), subject), lent.of_step(STEP, Progress()))
    dense = compress(recipe(replace(STEP, knobs={**STEP.knobs, "teacher": ""})), subject)
    assert torch.equal(weights(named), weights(by_hand))
    assert not torch.allclose(weights(named), weights(dense), atol=1e-4)


def test_the_teacher_is_left_as_it_is(subject):
    teacher = subject_named("lenet5", "digits").network
    before = [p.clone() for p in teacher.parameters()]
    compress(recipe(STEP), subject)
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))
    assert not any(p.requires_grad for p in teacher.parameters())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("vgg_small", "kd.hinton: vgg_small cannot be the teacher: There are no bundled weights of vgg_small on"),
        ("lenet5@nobody", "kd.hinton: lenet5@nobody cannot be the teacher: "),
        ("lenet", "kd.hinton: lenet cannot be the teacher: There is no network 'lenet'"),
    ],
)
def test_who_cannot_teach_these_data_is_refused_with_the_reason(subject, name, sentence):
    with pytest.raises(WorkbenchError) as error:
        compress(recipe(checked(replace(STEP, knobs={**STEP.knobs, "teacher": name}))), subject)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_without_anybody_who_knows_networks_it_says_so():
    with pytest.raises(WorkbenchError, match="learns from a teacher, and was run without one"):
        Context(input_shape=(1, 28, 28)).lent_teacher("kd.hinton", "lenet5")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_written_and_read_in_every_form(name):
    step = Hinton(teacher=name).step(("fc1",))
    assert step.knobs["teacher"] == name and parse_step(str(step)) == step
    assert from_json(to_json(step), Step) == step
    for kind in ("yaml", "json"):
        made = recipe(step)
        assert recipe_of_text(recipe_text(made, kind), kind) == made


def test_a_recipe_that_names_nobody_is_what_it_was_before_there_were_names():
    """Its key, its file and what was measured of it hold."""
    usual = default_step("kd.hinton")
    assert "teacher" not in usual.knobs and set(usual.knobs) | {"teacher"} == set(knobs_of(Hinton))
    assert parse_step("kd.hinton:teacher=") == checked(Step("kd.hinton", {"teacher": ""})) == usual
    assert canonical(recipe(usual)).key != canonical(recipe(STEP)).key


def test_a_search_does_not_try_names(subject):
    free = space_of(recipe(Step("kd.hinton")), [None], {}).free
    assert {f.knob for f in free} >= {"temperature"} and "teacher" not in {f.knob for f in free}


def test_what_the_student_is_held_against_is_its_teacher(subject, monkeypatch):
    seen = []
    monkeypatch.setattr(soft, "taught", lambda teacher, *_, **__: seen.append(teacher))
    asked = soft.Asked(subject, canonical(recipe(STEP)), lambda _progress: compress(recipe(), subject))
    list(soft.TaughtQuestion().answers(asked, Progress()))
    assert seen == [subject_named("lenet5", "digits").network]


# The page


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.state.choose(Recipe("lenet5_1998", "digits", (default_step("kd.hinton"),)))
    made.history.begin()  # else what follows within a moment is one action with this
    yield made
    made.close()


def menu(app) -> Menu:
    return next(m for m in inside(app.widget, Menu) if m.description == "teacher")


def test_the_page_offers_the_networks_of_these_data(app):
    offered = dict(menu(app).options)
    assert offered["the dense network"] == "" and "lenet5" in offered.values() and menu(app).value == ""
    menu(app).value = "lenet5"
    assert app.state.step.knobs["teacher"] == "lenet5" and app.state.problem == ""
    app.history.undo()
    assert "teacher" not in app.state.step.knobs and menu(app).value == ""


def test_a_name_that_nobody_has_is_refused_and_one_of_other_data_is_said(app):
    trained = lambda network, dataset: (network, dataset) != ("vgg_small", "digits")  # noqa: E731
    app.state.choices = replace(choices(), trained=trained)
    app.state.turn("teacher", "vgg_small")
    assert app.state.recipe is None and "vgg_small is not trained on digits here" in app.state.problem
    assert menu(app).value == "vgg_small", "it shows what is chosen"
    before = of_state(app.state)
    other = ui_fakes.app()
    other.state.choices = app.state.choices
    other.open(encoded(before))
    assert "vgg_small is not trained on digits here" in other.state.error and other.state.network == "lenet5"
    other.close()


def test_taking_a_teacher_away_is_a_change_of_its_knob(app):
    plain = captured(app.state)
    app.state.turn("teacher", "lenet5")
    taught = captured(app.state)
    assert difference(plain, taught) == difference(taught, plain) == "knob teacher of step 1"
    assert touched(plain.recipe, taught.recipe) == touched(taught.recipe, plain.recipe) == ["knob.teacher"]
