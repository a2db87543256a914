"""A page that is slow to come: code and states that are late, and lost messages from before all widgets were there."""

from __future__ import annotations

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SLOW = """() => {
  const usual = URL.createObjectURL;
  URL.createObjectURL = (thing) => {
    URL.createObjectURL = usual;
    const end = performance.now() + 2500;
    while (performance.now() < end);  // the widgets' code, which is loaded from here, comes after their time is over
    return usual.call(URL, thing);
  };
}"""

DEAF = """() => {
  window.missed = [];
  const text = (data) => typeof data === 'string' ? data : new TextDecoder().decode(data);
  const held = [];
  let deaf = false;
  const {set, ...rest} = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
  Object.defineProperty(WebSocket.prototype, 'onmessage', {...rest, set(act) {
    set.call(this, (event) => {
      const said = text(event.data);
      if (deaf && /"method": ?"update"/.test(said)) return window.missed.push(said);
      deaf ||= /"method": ?"update_states"/.test(said) && !window.released;
      act(event);
    });
  }});
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (deaf && /"kind": ?"here"/.test(text(data))) held.push(() => send.call(this, data));
    else send.call(this, data);
  };
  window.release = () => {
    deaf = false;
    window.released = true;
    for (const act of held) act();
    return held.length;
  };
}"""


LATE = """() => {
  window.asked = 0;
  const text = (data) => typeof data === 'string' ? data : new TextDecoder().decode(data);
  const {set, ...rest} = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
  Object.defineProperty(WebSocket.prototype, 'onmessage', {...rest, set(act) {
    set.call(this, (event) => {
      const late = /"method": ?"update_states"/.test(text(event.data));
      late ? setTimeout(() => act(event), 6000) : act(event);
    });
  }});
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    window.asked += /"method": ?"request_state"/.test(text(data));
    send.call(this, data);
  };
}"""


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url, scripts=(SLOW, DEAF))
    made.page.set_default_timeout(90_000)
    yield made
    made.close()


def test_what_was_said_too_early_is_said_again(visit):
    page = visit.page
    page.locator(".wb-app").wait_for()
    page.wait_for_function("() => window.missed.some((said) => said.includes('Ready:'))")
    assert page.evaluate("() => window.release()") == 1
    visit.ready()
    page.locator(".wb-tile.wb-measured").first.wait_for()
    page.wait_for_function("() => document.querySelectorAll('.wb-chart .trace.scatter .point').length >= 12")


def test_widgets_whose_code_came_late_hear_and_answer(visit):
    page = visit.page
    visit.type("pruning ratio", 0.75)
    page.get_by_role("button", name="Copy as command").click()
    visit.expect(page.locator("pre", has_text="--step prune.magnitude_iter:pruning_ratio=0.75")).to_be_visible()
    visit.pick("3. Method", "quant.kmeans_share")
    visit.slider("bits (bit)").wait_for()
    visit.ready()
    assert page.locator(".wb-banner").is_hidden() and visit.errors == []


def test_python_that_is_slow_to_tell_is_not_asked_for_every_widget(shared, browser):
    with_patience = Visit(browser, shared.url, scripts=(LATE,)).measured(90_000)
    assert with_patience.page.evaluate("() => window.asked") == 0 and with_patience.errors == []
    with_patience.close()
