"""Until the app is there, the page says what is being opened; then the app is, and nothing was asked of others."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from visiting import KERNEL, Server, leave, processes_of

from workbench.ui.serve import one_cell

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
LATE = """
import threading
from IPython.display import HTML, display

outward = get_ipython().kernel.iopub_thread
send = outward.send_multipart
outward.send_multipart = lambda *what, **how: threading.Timer(6, send, what, how).start()
display(HTML("<p>late, and there</p>"))
"""
"""What the cell shows comes six seconds after its end."""
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(24, 27, 32)"}


def opening(browser, url: str, **options):
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(90_000)
    page.goto(url, wait_until="commit", timeout=120_000)
    page.locator(".wb-opening").wait_for()
    return page


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_words_of_ours_until_the_app_has_come(shared, browser, scheme):
    page = opening(browser, shared.url, color_scheme=scheme)
    box = page.locator(".wb-opening")
    assert box.evaluate("(box) => getComputedStyle(box).backgroundColor") == PAPER[scheme]
    assert page.title() == box.locator("h1").inner_text() == "Compression Workbench"
    assert "takes some seconds" in box.inner_text() and "需要几秒钟" in box.inner_text()
    assert "link" not in box.inner_text() and "Executing" not in box.inner_text()
    page.locator(".wb-app h1").wait_for()
    box.wait_for(state="detached")
    assert page.title() == "Compression Workbench"
    leave(page)


def test_a_link_is_mentioned_and_the_theme_that_was_picked_holds_at_once(shared, browser):
    page = opening(browser, shared.url, color_scheme="light")
    page.evaluate("() => localStorage.setItem('workbench-theme', 'dark')")
    page.goto(shared.url + "?s=AAAA", wait_until="commit")
    box = page.locator(".wb-opening")
    box.get_by_text("with the choice in your link").wait_for()
    assert box.evaluate("(box) => getComputedStyle(box).backgroundColor") == PAPER["dark"]
    page.context.close()


@pytest.mark.slow
def test_what_went_wrong_is_not_covered(browser, tmp_path):
    book = json.loads(one_cell())
    book["cells"][0]["source"] = "raise ValueError('a secret')"
    Path(tmp_path / "app.ipynb").write_text(json.dumps(book))
    with Server(str(tmp_path), book=tmp_path / "app.ipynb") as server:
        page = browser.new_context().new_page()
        page.set_default_timeout(90_000)
        page.goto(server.url, wait_until="commit", timeout=120_000)
        page.get_by_text("There was an error").wait_for()
        page.locator(".wb-opening").wait_for(state="detached")
        assert "a secret" not in page.locator("body").inner_text()
        page.context.close()


@pytest.mark.slow
def test_what_comes_long_after_its_cell_is_waited_for(browser, tmp_path):
    book = json.loads(one_cell())
    book["cells"][0]["source"] = LATE
    Path(tmp_path / "app.ipynb").write_text(json.dumps(book))
    with Server(str(tmp_path), book=tmp_path / "app.ipynb") as server:
        page = browser.new_context().new_page()
        page.goto(server.url, timeout=120_000)
        page.get_by_text("late, and there").wait_for()
        page.context.close()


def test_a_page_that_is_left_ends_its_kernel(shared, browser):
    page = opening(browser, shared.url)
    page.locator(".wb-app h1").wait_for()
    own = processes_of(page.evaluate(KERNEL))
    assert len(own) == 1
    page.goto("about:blank")
    psutil.wait_procs(own, timeout=30)
    assert not own[0].is_running()
    page.context.close()
