"""The door for notebooks: own networks and data on the page, without anything heavy before it is opened."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from ui_fakes import FakeLive

import workbench
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.data import _own as own_data
from workbench.networks import _own as own_networks
from workbench.networks import adopt, network_named
from workbench.ui.app import App
from workbench.ui.choices import installed
from workbench.ui.snippets import as_command, as_python


class Net(nn.Module):
    def __init__(self, channels: int = 1, classes: int = 3) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(channels, 4, 3), nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch):
    monkeypatch.setattr(own_networks, "_adopted", {})
    monkeypatch.setattr(own_data, "_adopted", {})


def images(n: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 1, 10, 10, generator=generator), torch.arange(n) % 3


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, workbench; assert not {'torch', 'numpy', 'ipywidgets', 'plotly'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Workbank'"):
        workbench.Workbank  # noqa: B018


def test_own_network_and_data_are_measured() -> None:
    page = workbench.Workbench(network=Net(), data=images(), step="prune.l1_filter:pruning_ratio=0.5")
    try:
        assert page.live.wait(120) and page.state.error == ""
        assert page.state.recipe == Recipe("own/Net", "own/data", (page.state.step,))
        assert page.state.step.knobs["pruning_ratio"] == 0.5
        assert page.state.run.recipe == page.state.recipe
        assert [row.shape for row in page.state.run.layers] == [(2, 1, 3, 3), (3, 2)]
        offered = {o.id: o.off for g in page.state.choices.for_networks("own/data") for o in g.options}
        assert offered["own/Net"] == "" and "no weights" in offered["resnet20"]
        assert {o.id: o.off for g in page.state.choices.for_datasets() for o in g.options}["own/data"] == ""
        assert page.state.choices.why_not_network("own/Net", "digits").startswith("it takes images of 10 x 10 pixels")
        page.state.pick_dataset("digits")
        assert (page.state.network, page.state.problem) == ("lenet5", "")
    finally:
        page.close()


def test_without_arguments_it_is_the_app(monkeypatch) -> None:
    monkeypatch.setattr(App, "_live", lambda self: FakeLive(lambda event: None))
    page = workbench.Workbench()
    assert (page.state.network, page.state.dataset) == ("lenet5", "digits")
    page.close()


def test_a_network_without_weights_on_ones_own_data_opens_a_page_that_says_so() -> None:
    page = workbench.Workbench(network="squeezenet", data=images())
    try:
        assert page.state.recipe is None and "no weights trained on own/data" in page.state.problem
        assert page.state.choices.why_not_trained("squeezenet", "own/data") == "" and page.state.error == ""
        page.state.pick_network("own/Net")
        assert "no network 'own/Net'" in page.state.problem
    finally:
        page.close()


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"network": Net(channels=3)}, "Net does not run on images of 1 x 10 x 10 (RuntimeError: Given groups=1"),
        ({"network": Net(classes=4)}, "Net must answer (2, 3) scores for 2 images in 3 classes; it answers (2, 4)"),
        ({"network": Net}, "An nn.Module is needed, and Net is a class; give Net(...)."),
        ({"network": "lenet5"}, "lenet5 cannot be used on own/data: it takes images of 28 x 28 pixels only, not 10"),
        ({"network": "own/Other"}, "no network 'own/Other'; adopted are none: name its code (--network FILE.py:FACT"),
        ({"network": "vgg99"}, "There is no network 'vgg99'; there are alexnet"),
        ({"network": Net(), "data": "cats"}, "There is no dataset 'cats'; there are"),
        ({"network": Net(), "data": "own/cats"}, "no dataset 'own/cats'"),
        ({"network": Net(), "step": "prune.nothing"}, "There is no method 'prune.nothing'"),
        ({"network": Net(), "step": Step("prune.l1_filter", {"pruning_ratio": 3.0})}, "pruning_ratio must be a numb"),
    ],
)
def test_what_does_not_fit_is_one_sentence(about, sentence) -> None:
    with pytest.raises(WorkbenchError) as caught:
        workbench.Workbench(**{"data": images(), **about})
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_page_that_is_open_builds_what_is_adopted_now() -> None:
    choices = installed()
    adopt(Net(), input_shape=(1, 10, 10), classes=3)
    assert choices.layers("own/Net") == ["conv", "fc"] and "own/Net" not in choices.networks
    adopt(nn.Sequential(nn.Flatten(), nn.Linear(100, 3)), input_shape=(1, 10, 10), classes=3, name="Net")
    assert choices.layers("own/Net") == ["1"] and "own/Net" in installed().networks


def test_what_is_copied_from_the_page_says_where_ones_own_comes_from() -> None:
    adopt(Net(), input_shape=(1, 10, 10), classes=3)
    recipe = Recipe("own/Net", "own/birds", (Step("prune.l1_filter"),))
    assert "--network FILE.py:FACTORY --dataset folder:PATH" in as_command(recipe)
    assert as_command(recipe).endswith("-o own_Net.wbz")
    lines = as_python(recipe)
    compile(lines, "copied", "exec")
    assert "adopt_network(my_network, input_shape=(1, 10, 10), classes=3, name='Net')" in lines
    assert "adopt_data(my_data, name='birds')" in lines
    adopt(Net(), input_shape=(1, 10, 10), classes=3, source="net.py:make")
    assert network_named("own/Net").source == "net.py:make"
    assert "--network net.py:make" in as_command(recipe)
