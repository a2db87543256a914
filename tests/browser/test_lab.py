"""Lessons and the app in JupyterLab: widgets come up, numbers follow, exercises are checked, cells are run again."""

from __future__ import annotations

import re
import shutil

import pytest
from lesson_solutions import FUNCTIONS
from visiting import CHROMIUM, Server, Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE_MS = 120_000
RAN = re.compile(r"\[\d+\]")
WORKERS = """import threading
print([t.name for t in threading.enumerate()].count("workbench-worker"), "workers")"""


class Book(Visit):
    """A notebook of ours that is open in JupyterLab."""

    def __init__(self, browser, server: Server, name: str) -> None:
        super().__init__(browser, f"{server.url}lab/tree/{name}.ipynb?reset&token={server.token}", width=1280)
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.locator(".jp-StatusBar-TextItem", has_text="| Idle").wait_for()

    def cell(self, text: str):
        """The cell that has this in its source."""
        return self.page.locator(".jp-CodeCell", has=self.page.locator(".cm-content", has_text=text)).first

    def menu(self, head: str, entry: str) -> None:
        self.page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{head}$")).click()
        self.page.locator(".lm-Menu-item", has_text=re.compile(f"^{entry}")).first.click()

    def run_all(self) -> None:
        self.menu("Run", "Run All Cells")
        prompts = self.page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt, .jp-OutputPrompt", has_text=RAN)
        prompts.locator("visible=true").first.wait_for()

    def write(self, cell, source: str) -> None:
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def run(self, cell) -> None:
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from workbench.ui.serve import notebook

    home = tmp_path_factory.mktemp("lab")
    for book in notebook().parent.glob("*.ipynb"):
        shutil.copy(book, home)
    made = Server(str(home), book=home / "app.ipynb", lab=True)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def lesson(lab, browser):
    made = Book(browser, lab, "1_what_is_redundant")
    made.run_all()
    yield made
    made.context.close()


def test_a_guess_is_committed_and_the_answer_revealed(lesson):
    asked = lesson.page.locator(".wb-predict", has_text="Which layer holds most of the weights?")
    asked.scroll_into_view_if_needed()
    asked.get_by_role("button", name="Commit my guess").click()
    asked.locator("[role=alert]", has_text="Pick one first").wait_for()
    asked.get_by_role("button", name="conv2", exact=True).click()
    asked.get_by_role("button", name="Commit my guess").click()
    asked.get_by_text("You said conv2. It is fc1.").wait_for()
    asked.locator(".wb-chart svg.main-svg").first.wait_for()


def test_a_slider_changes_picture_formula_and_sentence(lesson):
    seen = lesson.page.locator(".wb-explore", has_text="Removed (%)")
    seen.scroll_into_view_if_needed()
    before = seen.locator(".wb-formula").inner_text()
    drawn = int(seen.locator(".wb-chart").get_attribute("data-drawn"))
    seen.locator(".noUi-handle").focus()
    for _ in range(10):
        lesson.page.keyboard.press("ArrowRight")
    lesson.expect(seen.locator(".wb-formula")).not_to_have_text(before)
    lesson.expect(seen.locator(".wb-formula")).to_contain_text("240,000")
    lesson.expect(seen.locator(".wb-chart")).not_to_have_attribute("data-drawn", str(drawn))


def test_an_exercise_is_answered_wrongly_then_rightly(lesson):
    page = lesson.page
    mine, check = (
        lesson.cell("def parameters(outputs, inputs, kernel):"),
        lesson.cell('check("parameters", parameters)'),
    )
    check.scroll_into_view_if_needed()
    check.get_by_text("put your own expression in the place of the three dots").wait_for()
    lesson.write(mine, "def parameters(outputs, inputs, kernel):\n    return outputs * inputs * kernel**2")
    lesson.run(mine)
    lesson.run(check)
    check.locator(".wb-not-yet", has_text="Try:").wait_for()
    lesson.write(mine, "def parameters(outputs, inputs, kernel):\n    return outputs * (inputs * kernel**2 + 1)")
    lesson.run(mine)
    lesson.run(check)
    check.locator(".wb-passed", has_text="Right.").wait_for()
    assert FUNCTIONS["parameters"](50, 20, 5) == 50 * (20 * 5**2 + 1)
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert lesson.errors == []


@pytest.fixture(scope="module")
def app(lab, browser):
    made = Book(browser, lab, "app")
    made.run_all()
    made.page.locator(".wb-tile.wb-measured").first.wait_for()
    yield made
    made.context.close()


def test_the_app_measures_in_a_notebook(app):
    assert app.page.get_by_text("Jupyter news").count() == 0, "a newcomer is asked about nothing else"
    app.page.locator(".wb-chart svg.main-svg").first.wait_for()
    before = app.tile(1).locator("b").inner_text()
    app.slider("pruning ratio").focus()
    for _ in range(20):
        app.page.keyboard.press("ArrowRight")
    app.page.locator(".wb-tile.wb-measured").first.wait_for()
    app.ready()
    app.expect(app.tile(1).locator("b")).not_to_have_text(before)
    assert app.readout("pruning ratio") == "0.7"
    assert "?s=" not in app.page.url


def test_running_the_cell_again_leaves_one_page_and_one_worker(app):
    page = app.page
    page.locator(".wb-app").evaluate("(page) => { page.dataset.old = 'yes' }")
    app.run(app.cell("show()"))
    page.locator(".wb-app:not([data-old])").wait_for()
    page.locator(".wb-tile.wb-measured").first.wait_for()
    app.ready()
    app.expect(page.locator(".wb-app")).to_have_count(1)
    assert app.readout("pruning ratio") == "0.5"
    app.type("pruning ratio", 0.8)
    app.ready()
    page.locator(".wb-tile.wb-measured").first.wait_for()
    page.locator(".jp-Notebook").press("Escape")
    page.keyboard.press("b")
    app.write(page.locator(".jp-CodeCell").last, WORKERS)
    app.run(page.locator(".jp-CodeCell").last)
    page.get_by_text("1 workers").wait_for()
    assert app.errors == []
