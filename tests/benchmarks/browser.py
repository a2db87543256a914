"""How quick the app feels in a browser, and what a visit costs. Run: python tests/benchmarks/browser.py"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from playwright.sync_api import sync_playwright
from visiting import CHROMIUM, FLAGS, Server, Visit

PRESSES = 40
ARM = """([where, words]) => {
  const node = document.querySelector(where);
  window.changed = new Promise((done) => {
    const start = (event) => {
      const began = event.timeStamp;
      const seen = () => {
        if (!node.textContent.includes(words)) return;
        watch.disconnect();
        requestAnimationFrame(() => done(performance.now() - began));
      };
      const watch = new MutationObserver(seen);
      watch.observe(node, {childList: true, subtree: true, characterData: true});
    };
    addEventListener('keydown', start, {once: true, capture: true});
    addEventListener('click', start, {once: true, capture: true});
  });
}"""


def first_plot(browser, server: Server) -> tuple[Visit, float]:
    """A visit and the seconds until its first chart is drawn."""
    began = time.perf_counter()
    visit = Visit(browser, server.url)
    visit.page.locator(".wb-chart[data-drawn]").first.wait_for(timeout=90_000)
    return visit, time.perf_counter() - began


def until_settled(visit: Visit) -> None:
    visit.page.wait_for_function(
        "() => document.querySelectorAll('.trace.scatter .point').length >= 12", timeout=60_000
    )
    visit.ready()


def keys(visit: Visit) -> list[float]:
    """Milliseconds from a key on a slider to the changed headline, on a page at rest and on a working one."""
    slider, found = visit.slider("pruning ratio"), []
    for i in range(PRESSES):
        visit.page.evaluate(ARM, [".wb-wide .widget-html", ""])
        slider.focus()
        visit.page.keyboard.press("ArrowRight" if i < PRESSES / 2 else "ArrowLeft")
        found.append(visit.page.evaluate("window.changed"))
        time.sleep(0.03 * (i % 5))
    return found


def cards(visit: Visit) -> list[float]:
    """Milliseconds from a key that selects another filter to the first chart of its card."""
    visit.look("Why could it go?")
    layer = visit.page.get_by_label("Layer", exact=True).locator("visible=true")
    layer.select_option("conv2")
    visit.page.locator(".widget-slider:visible", has_text="number").wait_for()
    visit.ready()
    found = []
    for i in range(PRESSES // 2):
        visit.page.evaluate(ARM, [".wb-lower", f"filter {i + 1} of conv2"])
        visit.slider("number").locator("visible=true").focus()
        visit.page.keyboard.press("ArrowRight")
        found.append(visit.page.evaluate("window.changed"))
        visit.ready()
    return found


def cancelled(visit: Visit) -> list[float]:
    """Milliseconds from the click on Cancel during training until the page says that it is ready."""
    found = []
    for epochs in (50, 49, 48):
        visit.type("epochs", epochs)
        visit.page.locator(".wb-status", has_text="epoch").wait_for()
        visit.page.evaluate(ARM, [".wb-status", "Ready"])
        visit.page.get_by_role("button", name="Cancel").click()
        found.append(visit.page.evaluate("window.changed"))
    return found


def memory(server: Server) -> list[float]:
    """Resident megabytes of every kernel of the server."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [c.memory_info().rss / 1e6 for c in children if "ipykernel" in " ".join(c.cmdline())]


def ninety_fifth(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def cold(browser) -> None:
    with Server(tempfile.mkdtemp()) as server:
        visit, seconds = first_plot(browser, server)
        print(f"first plot, cold kernel          {seconds:7.1f} s")
        print(f"websocket to the first view      {visit.bytes / 1e6:7.2f} MB")
        until_settled(visit)
        times = keys(visit)
        print(
            f"key press to changed page, p95   {ninety_fifth(times):7.0f} ms (median {statistics.median(times):.0f} ms)"
        )
        visit.ready()
        times = cards(visit)
        middle = statistics.median(times)
        print(f"key to the card of a filter, p95 {ninety_fifth(times):7.0f} ms (median {middle:.0f} ms)")
        times = cancelled(visit)
        print(f"cancel, the slowest of {len(times)}         {max(times):7.0f} ms")
        print(f"memory of a kernel               {max(memory(server)):7.0f} MB")


def preheated(browser) -> None:
    with Server(tempfile.mkdtemp(), preheat=1) as server:
        time.sleep(25)
        _, seconds = first_plot(browser, server)
        print(f"first plot, preheated kernel     {seconds:7.1f} s")


def main() -> None:
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        cold(browser)
        preheated(browser)
        browser.close()


if __name__ == "__main__":
    main()
