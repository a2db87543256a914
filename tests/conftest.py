"""Networks and data that every test may use, and how the suite spreads over processes."""

from __future__ import annotations

import gc
import itertools
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is there: what tests compute is small
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else every process that a test starts compiles all modules again

import plotly.graph_objects as go
import pytest
import torch
from torch import nn

from workbench.figures import theme

gc.set_threshold(20_000, 20, 20)  # a page is thousands of objects, and all of them live
HEAVY = ("test_notebooks.py", "test_hardening.py", "test_networks.py", "test_sweep.py", "test_drop_in.py")
"""What takes longest, in this order: begun first, so that no process is left alone with it at the end."""


CHECKED: set[str] = set()
"""Figures that plotly has been asked about; a page draws the same empty ones again and again."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n`, a file stays in one process: its tests share a page, a server or a network."""
    from xdist.scheduler import LoadFileScheduling

    if config.getoption("dist") != "load":
        return None
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(items) -> None:
    """Files with a browser, which wait much, and those without, which compute, by turns."""
    files = list(dict.fromkeys(item.path for item in items))
    seen = [path for path in files if path.parent.name == "browser"]
    rest = sorted(set(files) - set(seen), key=lambda path: (*(path.name != name for name in HEAVY), path))
    order = [path for pair in itertools.zip_longest(seen, rest) for path in pair if path]
    items.sort(key=lambda item: order.index(item.path))


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory):
    """No test reads or writes the store of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        yield


@pytest.fixture(scope="module")
def _one_page():
    import ui_fakes

    made = ui_fakes.app()
    yield made
    made.close()


@pytest.fixture
def used(_one_page):
    """A page on which others have tried things, as it begins: to make a new one takes longer than most tests."""
    from workbench.core.recipe import Recipe
    from workbench.ui.choices import default_step

    _one_page.state.choose(Recipe("lenet5", "digits", (default_step("prune.magnitude_iter"),)))
    _one_page.state.error = ""
    return _one_page


@pytest.fixture(autouse=True)
def _checked_figures(monkeypatch):
    """Figures are not checked while they are drawn: here plotly is asked, and has to leave them as they are."""

    def checked(data, layout):
        made = unchecked(data, layout)
        if (told := made.to_json()) not in CHECKED:
            assert json.loads(go.Figure(made.to_plotly_json()).to_json()) == json.loads(told)
            CHECKED.add(told)
        return made

    unchecked = theme.drawn
    monkeypatch.setattr(theme, "drawn", checked)


class Branched(nn.Module):
    """BatchNorm, a residual sum, a depthwise convolution, a concatenation and a flatten: all that couples channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.conv3, self.bn3 = nn.Conv2d(12, 8, 1), nn.BatchNorm2d(8)
        self.side = nn.Conv2d(8, 4, 1)
        self.conv4 = nn.Conv2d(12, 6, 1)
        self.relu1, self.relu2, self.relu3, self.relu4 = (nn.ReLU() for _ in range(4))
        self.pool, self.flatten = nn.MaxPool2d(2), nn.Flatten()
        self.fc1, self.fc2 = nn.Linear(6 * 4 * 4, 20), nn.Linear(20, 5)

    def forward(self, x):
        x = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.depthwise(self.relu2(self.bn2(self.conv2(x))))))
        x = self.relu3(x + y)
        x = self.pool(torch.cat([x, torch.relu(self.side(x))], 1))
        return self.fc2(self.relu4(self.fc1(self.flatten(self.conv4(x)))))


@pytest.fixture
def branched():
    """(network, input shape): every BatchNorm has seen something, so that forgetting it shows."""
    torch.manual_seed(0)
    network = Branched().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network, (1, 8, 8)
