"""A page whose Python has died says so soon, in words and by controls that are off, and comes back from its address."""

from __future__ import annotations

import time

import psutil
import pytest
from visiting import Server, Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE_MS = 90_000


def opened(browser, url: str) -> Visit:
    made = Visit(browser, url)
    made.page.set_default_timeout(PATIENCE_MS)
    made.page.locator(".wb-chart[data-drawn]").first.wait_for()
    return made


def changed(visit: Visit) -> str:
    """Another value than the usual one, in the address; the first number that is measured with it."""
    visit.type("pruning ratio", 0.8)
    visit.page.wait_for_function("() => location.search.includes('s=')")
    visit.ready()
    return visit.tile().locator("b").inner_text()


def kernel_of(server: Server) -> psutil.Process:
    """The newest page's."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    return max((k for k in children if "ipykernel" in str(k.cmdline())), key=psutil.Process.create_time)


def alive(visit: Visit) -> list[str]:
    """The names of what can be pressed, moved or typed into."""
    return visit.page.evaluate(
        """() => [...document.querySelectorAll(".wb-app :is(button, select, input, textarea, .noUi-target)")]
        .filter((c) => !c.closest("[inert]") && c.checkVisibility())
        .map((c) => c.closest("label")?.textContent || c.textContent)"""
    )


def comes_back(visit: Visit, number: str) -> None:
    visit.page.locator(".wb-banner").get_by_role("button", name="Reload").click()
    visit.page.locator(".wb-chart[data-drawn]").first.wait_for()
    visit.expect(visit.field("pruning ratio")).to_have_value("0.8")
    visit.ready()
    assert visit.tile().locator("b").inner_text() == number and visit.page.locator(".wb-banner").is_hidden()


def test_a_killed_kernel_is_said_and_reload_brings_the_choice_back(server, browser):
    visit = opened(browser, server.url)
    number = changed(visit)
    banner, status = visit.page.locator(".wb-banner"), visit.page.locator(".wb-status")
    assert banner.is_hidden() and "Ready: move a slider" in status.inner_text() and len(alive(visit)) > 20
    kernel_of(server).kill()
    began = time.monotonic()
    banner.wait_for(state="visible", timeout=30_000)  # a second, where nothing else keeps the machine busy
    assert time.monotonic() - began < 30
    assert "Python has ended" in banner.inner_text() and "reload the page" in banner.inner_text()
    visit.expect(visit.page.locator(".wb-app")).not_to_contain_text("Ready")
    assert "Python has ended. Reload the page" in status.inner_text()
    assert all(text.startswith(("Reload", "Copy", "Colours", "Language")) for text in alive(visit)), alive(visit)
    slider, before = visit.slider("pruning ratio"), visit.readout("pruning ratio")
    slider.evaluate("(handle) => handle.focus()")
    visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_timeout(300)
    assert visit.readout("pruning ratio") == before
    comes_back(visit, number)
    assert "Python has ended" not in visit.page.locator(".wb-app").inner_text()
    visit.context.close()


def test_python_that_is_silent_for_a_while_is_waited_for(server, browser):
    visit = opened(browser, server.url)
    changed(visit)
    banner, status = visit.page.locator(".wb-banner"), visit.page.locator(".wb-status")
    before, kernel = len(alive(visit)), kernel_of(server)
    kernel.suspend()
    try:
        banner.wait_for(state="visible", timeout=PATIENCE_MS)
        assert "does not answer" in banner.inner_text() and "Waiting for Python" in status.inner_text()
        assert visit.slider("pruning ratio").evaluate("(handle) => Boolean(handle.closest('[inert]'))")
    finally:
        kernel.resume()
    banner.wait_for(state="hidden", timeout=PATIENCE_MS)
    visit.ready()
    assert "Waiting for Python" not in status.inner_text() and len(alive(visit)) == before
    visit.type("pruning ratio", 0.7)
    visit.page.locator(".wb-tile.wb-measured").first.wait_for()
    visit.context.close()


def test_a_server_that_is_stopped_is_said_and_the_page_comes_back_with_it(browser, tmp_path):
    with Server(str(tmp_path)) as server:
        visit = opened(browser, server.url)
        number = changed(visit)
    banner = visit.page.locator(".wb-banner")
    banner.get_by_text("cannot be reached").wait_for(timeout=PATIENCE_MS)
    assert banner.get_by_role("button", name="Reload").is_disabled()
    visit.expect(visit.page.locator(".wb-app")).not_to_contain_text("Ready")
    with Server(str(tmp_path), port=server.port):
        visit.expect(banner.get_by_role("button", name="Reload")).to_be_enabled(timeout=PATIENCE_MS)
        comes_back(visit, number)
        visit.context.close()
