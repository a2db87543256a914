"""What is said of folders: to who runs the workbench which files go where, to visitors of a page no place at all."""

from __future__ import annotations

import pytest
import ui_fakes

from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe
from workbench.experiment.reports import Failed, Recalled, Working
from workbench.ui import places
from workbench.ui.choices import Choices, default_step, installed

STEP = default_step("prune.magnitude_iter")
ALSO = ("mnist", "cifar10", "cifar100", "fashion_mnist", "imagenet")


@pytest.fixture
def home(monkeypatch, tmp_path):
    """Empty, and with a space in its name."""
    made = tmp_path / "a home"
    made.mkdir()
    monkeypatch.setenv("WORKBENCH_HOME", str(made))
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    return made


@pytest.fixture
def served(home, monkeypatch) -> Choices:
    """As under Voila."""
    monkeypatch.setenv("VOILA_KERNEL_ID", "1")
    return installed()


@pytest.fixture
def app(served):
    made = ui_fakes.App(choices=served, live=ui_fakes.FakeLive, timer=ui_fakes.at_once)
    yield made
    made.close()


def reasons(choices: Choices) -> str:
    options = [o for groups in (choices.for_datasets(), choices.for_training_data()) for g in groups for o in g.options]
    return " ".join(option.off for option in options)


def refused(choices: Choices, dataset: str) -> str:
    with pytest.raises(WorkbenchError) as error:
        choices.check(Recipe("lenet5", dataset, (STEP,)))
    return str(error.value)


def test_in_a_notebook_it_is_said_which_files_go_where(home):
    choices = installed()
    assert str(home) in reasons(choices) and "put train-images-idx3-ubyte" in refused(choices, "mnist")
    assert choices.told(f"{home}/runs.sqlite is damaged.") == f"{home}/runs.sqlite is damaged."


@pytest.mark.parametrize("dataset", ALSO)
def test_a_visitor_is_told_what_brings_the_data_and_no_folder(served, home, dataset):
    said = served.why_absent(dataset)
    assert f"“workbench datasets {dataset}” brings it" in said and said in refused(served, dataset)
    assert "/" not in reasons(served) + refused(served, dataset) and "WORKBENCH_DATA" not in reasons(served)


def test_a_folder_that_was_named_wrongly_is_not_named_to_visitors(served, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "nowhere"))
    assert str(tmp_path) in served.datasets["mnist"].available()
    assert "nowhere" not in reasons(served)


def test_what_goes_wrong_and_what_is_being_done_names_no_folder(app, home):
    state = app.state
    state.choices.check(state.recipe)  # nothing of this keeps the page from working
    for sentence in (
        f"{home}/data/mnist/a.gz is damaged; delete it.",
        "A store of another kind lies at /srv/x/runs.sqlite.",
    ):
        app.live.notify(Failed(sentence, ""))
        assert "/" not in state.error and state.error.split()[0] in ("a.gz", "A"), state.error
    state.refuse(f"{home} cannot be made: no space left.")
    assert state.error == "a folder of the server cannot be made: no space left."
    app.live.notify(Working(f"Looking through {home}/data", 0.5))
    assert state.doing == "Looking through data"
    app.live.notify(
        Recalled(state.network, state.dataset, (), ("2 files were left out, such as /srv/photos/a/b.jpg.",))
    )
    assert state.remarks == ("2 files were left out, such as b.jpg.",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/srv/data/mnist/a.gz is cut short.", "a.gz is cut short."),
        ("It lies in /srv/data/mnist.", "It lies in mnist."),
        (r"C:\Users\me\runs.sqlite: locked", "runs.sqlite: locked"),
        ("Two (/a/b, /c/d/e).", "Two (b, e)."),
        ("1/2 of 3/4/5 and/or https://host/a/b and conv1/fc1", "1/2 of 3/4/5 and/or https://host/a/b and conv1/fc1"),
        ("</b><p>", "</b><p>"),
        ("", ""),
    ],
)
def test_a_path_becomes_its_name(text, said):
    assert places.discreet(text) == said
