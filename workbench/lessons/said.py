"""Around what a button or a slider calls: whatever goes wrong becomes one sentence where the learner looks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from html import escape
from typing import Any

from ..core.errors import WorkbenchError

log = logging.getLogger("workbench.lessons")


def said(say: Callable[[str], None], callback: Callable[..., None]) -> Callable[..., None]:
    """`callback`, whose errors go to `say` as a paragraph of HTML; buttons would swallow them."""

    @functools.wraps(callback)
    def guarded(*args: Any) -> None:
        try:
            callback(*args)
        except WorkbenchError as error:
            say(wrong(str(error)))
        except Exception as error:
            log.exception("callback failed")
            say(wrong(f"Something went wrong inside the lesson ({type(error).__name__})."))

    return guarded


def wrong(sentence: str) -> str:
    """A sentence as what went wrong, in HTML."""
    return f'<p class="wb-said-wrong" role="alert">{escape(sentence)}</p>'
