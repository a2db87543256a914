"""What people call runs, classes, layers and themselves stands there as they wrote it and never becomes page."""

from __future__ import annotations

import sqlite3

import pytest
from visiting import CHROMIUM, Server, Visit

from workbench.ui.serve import SOURCE, one_cell

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE_MS = 120_000
NASTY = (
    "<img src=x onerror=ran=1>",
    "<script>ran=1</script>",
    '<a href="javascript:ran=1">click</a>',
    "<svg onload=ran=1>",
    "</script><script>ran=1</script>",
    '"><iframe srcdoc="<script>top.ran=1</script>">',
    "<a href=http://127.0.0.1:9/>away</a>",
    "<span style=position:fixed;inset:0>",
    "&lt;i&gt; & <i>slanted",
    "<style>*{display:none}</style>",
)
BOOK = f"""
import torch
from torch import nn
from pathlib import Path
from IPython.display import display
from workbench import Workbench
from workbench.data import adopt
from workbench.experiment.contest import Board
from workbench.lessons.board import Contest

NASTY = {NASTY!r}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential()
        self.body.add_module(NASTY[0], nn.Conv2d(1, 6, 3, padding=1))
        self.body.add_module("relu", nn.ReLU())
        self.body.add_module(NASTY[1], nn.Conv2d(6, 8, 3, padding=1))
        self.body.add_module("last", nn.ReLU())
        self.body.add_module("flat", nn.Flatten())
        self.body.add_module(NASTY[3], nn.Linear(8 * 64, 10))

    def forward(self, x):
        return self.body(x)


torch.manual_seed(0)
images = torch.rand(400, 1, 8, 8)
labels = torch.arange(400) % 10
page = Workbench(network=Net(), data=adopt((images, labels), classes=NASTY), step="prune.l1_filter")
board = Contest(Board(), lambda: None)
display(page, board)
"""

INTRUDERS = """() => ({
  ran: window.ran === undefined ? 'no' : 'yes',
  tags: [...document.querySelectorAll('.wb-app :is(script, iframe, object, embed, style:not(.wb-lesson-head style))')]
    .filter((part) => !part.closest('svg')).map((part) => part.outerHTML.slice(0, 80)),
  links: [...document.querySelectorAll('.wb-app a')].filter((link) => link.getAttribute('href') !== '#' &&
    link.getAttribute('xlink:href') !== '#' && !link.download).map((link) => link.outerHTML.slice(0, 120)),
  pictures: [...document.querySelectorAll('.wb-app img')].map((image) => image.src)
    .filter((source) => !/^(data|blob):/.test(source)),
  handlers: [...document.querySelectorAll('.wb-app *')].filter((part) => part.hasAttribute('onerror') ||
    part.hasAttribute('onload')).map((part) => part.outerHTML.slice(0, 120)),
  covers: [...document.querySelectorAll('.wb-app *')].filter((part) => /fixed/.test(part.getAttribute('style') || ''))
    .map((part) => part.outerHTML.slice(0, 120)),
})"""
NOTHING = {"ran": "no", "tags": [], "links": [], "pictures": [], "handlers": [], "covers": []}


def book(source: str) -> str:
    """The app's notebook with another cell."""
    import json

    return one_cell().replace(json.dumps(SOURCE), json.dumps(source))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose contest board was written to by somebody else."""
    from workbench.experiment.contest import Board

    made = tmp_path_factory.mktemp("home")
    board = Board(made / "contest.sqlite")
    with sqlite3.connect(board.path) as connection:
        for i, text in enumerate(NASTY):
            connection.execute(
                "insert into entry (name, file_bytes, correct, n, network, steps, handed_in, file) "
                "values (?,?,?,?,?,?,?,?)",
                (text, 1000 + i, 359, 359, text, text, text, b""),
            )
    connection.close()
    return made


@pytest.fixture(scope="module")
def visit(home, browser):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    path = home / "page.ipynb"
    path.write_text(book(BOOK), encoding="utf-8")
    with Server(str(home), book=path) as server:
        made = Visit(browser, server.url).measured(PATIENCE_MS)
        yield made
        made.context.close()


def hover_everything(visit) -> None:
    """Whatever a chart says to who points at it."""
    for point in visit.page.locator(".wb-chart:visible .point, .wb-chart:visible .heatmaplayer image").all()[:40]:
        if box := point.bounding_box():
            visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            visit.page.wait_for_timeout(30)


@pytest.mark.parametrize("name", [text for text in NASTY if len(text) <= 60])
def test_the_name_of_a_run(visit, name):
    page = visit.page
    visit.look("History")
    page.locator(".wb-runs .wb-run").nth(1).wait_for()
    if page.locator(".wb-run[aria-pressed=true]").count() == 0:
        page.locator(".wb-runs .wb-run").last.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Name", exact=True).press("Enter")
    page.locator(".wb-runs .wb-run").get_by_text(" ".join(name.split()), exact=True).wait_for()
    if page.get_by_role("button", name="Pin as reference").count():
        page.get_by_role("button", name="Pin as reference").click()
    page.locator(".legend text").get_by_text(f"pinned: {name}").first.wait_for()
    hover_everything(visit)
    assert page.evaluate(INTRUDERS) == NOTHING


def test_classes_and_layers_in_every_view(visit):
    page = visit.page
    wrong = {}
    for view in page.locator(".wb-lower > .widget-toggle-buttons button").all_inner_texts():
        visit.look(view)
        for label in ("Look inside", "Measure sensitivity", "Explain this image", "What it cost", "Compare"):
            button = page.locator(".wb-lower").get_by_role("button", name=label, exact=True).locator("visible=true")
            if button.count() == 1 and label != view:
                button.click()
        page.wait_for_timeout(500)
        visit.ready()
        page.wait_for_timeout(500)
        hover_everything(visit)
        for table in page.get_by_text("Show as table").locator("visible=true").all():
            table.click()
        if (found := page.evaluate(INTRUDERS)) != NOTHING:
            wrong[view] = found
    assert wrong == {}
    assert page.locator(".wb-error").is_hidden() and visit.errors == []


def test_names_on_the_contest_board(visit):
    rows = visit.page.locator(".wb-board tr")
    assert rows.count() == len(NASTY) + 1
    assert rows.nth(1).locator("td").nth(1).inner_text() == NASTY[0]
    assert visit.page.evaluate(INTRUDERS) == NOTHING


def test_the_report(visit, browser, tmp_path):
    with visit.page.expect_download() as waiting:
        visit.page.get_by_role("button", name="Report (HTML)", exact=True).click()
    path = tmp_path / "report.html"
    waiting.value.save_as(path)
    page = browser.new_page()
    page.goto(path.as_uri())
    page.locator("svg.main-svg").first.wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.ran") is None
    assert page.locator("main").get_by_text(NASTY[0], exact=False).first.is_visible()
    assert page.locator("iframe, main script[src], img:not([src^='data:'])").count() == 0
    assert page.locator("a:not([href^='#'])").count() == 0
    page.close()


def test_a_planted_fault_is_seen(visit):
    visit.page.evaluate("""() => document.querySelector('.wb-app').insertAdjacentHTML('beforeend',
      '<div id="planted"><img src=x onerror=window.ran=1><a href="javascript:1">x</a></div>')""")
    visit.page.wait_for_function("() => window.ran === 1")
    found = visit.page.evaluate(INTRUDERS)
    visit.page.evaluate("() => { document.getElementById('planted').remove(); delete window.ran }")
    assert found["ran"] == "yes" and found["links"] and found["pictures"] and found["handlers"]
