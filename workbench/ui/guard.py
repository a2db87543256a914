"""Around every callback: one at a time, and whatever goes wrong becomes one sentence on the page."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from typing import Any

import traitlets as t

from ..core.errors import WorkbenchError
from .state import State

log = logging.getLogger("workbench.ui")
OURS = "Something went wrong inside the workbench ({kind}); the last choice was not carried out."


def guard(state: State, callback: Callable[..., Any]) -> Callable[..., None]:
    """`callback` under the state's lock. Buttons swallow exceptions and observers raise them: neither happens here."""

    @functools.wraps(callback)
    def guarded(*args: Any) -> None:
        with state.lock:
            try:
                callback(*args)
            except (WorkbenchError, t.TraitError) as error:
                state.error, state.details = sentence(error), ""
            except Exception as error:
                log.exception("callback failed")
                state.error, state.details = OURS.format(kind=type(error).__name__), traceback.format_exc()

    return guarded


def watch(state: State, show: Callable[[], None], *traits: str) -> None:
    """Call `show` now and after every change of one of `traits`."""
    guarded = guard(state, lambda _change: show())
    state.observe(guarded, list(traits))
    guarded(None)


def when_seen(state: State, view: str, show: Callable[[], None], *traits: str) -> None:
    """As `watch`, but only while `view` is on the page; what changed meanwhile is drawn when it comes back."""
    due = True

    def changed(_change: object) -> None:
        nonlocal due
        due = True
        seen(None)

    def seen(_change: object) -> None:
        nonlocal due
        if due and state.view == view:
            due = False
            show()

    state.observe(guard(state, changed), list(traits))
    state.observe(guard(state, seen), "view")
    guard(state, seen)(None)


def sentence(error: Exception) -> str:
    """One line from an error that is meant for people."""
    return " ".join(str(error).split())
