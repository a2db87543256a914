"""Which language: `?lang=` in the page's address says it, and a menu at the top opens the page in another."""

from __future__ import annotations

from urllib.parse import parse_qs

import anywidget
import traitlets as t

from ..core.errors import WorkbenchError
from .language import ENGLISH, LANGUAGES, say, speak, spoken
from .widgets import BROWSER, Checked

NAME = "lang"
MOST_CHARS = 20_000


class Languages(Checked, anywidget.AnyWidget):
    """A menu that opens the page in another language, with what is chosen; in a notebook there is no address to open.

    It also says, for browsers and screen readers, which language the page is in.
    """

    _esm = BROWSER / "language.js"
    label = t.Unicode().tag(sync=True)
    name = t.Unicode(NAME).tag(sync=True)
    usual = t.Unicode(ENGLISH).tag(sync=True)
    value = t.Unicode().tag(sync=True)
    languages = t.Dict().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(label=say("Language"), value=spoken(), languages=dict(LANGUAGES))


def asked(query: str) -> str:
    """The language that the address of a page asks for; English where it asks for none."""
    try:
        found = parse_qs(query[:MOST_CHARS].removeprefix("?"), max_num_fields=32).get(NAME)
    except ValueError:
        return ENGLISH
    return found[-1] if found else ENGLISH


def speak_as_asked(query: str) -> str:
    """Speak the language that the address asks for; one sentence where there is none of that name, and English."""
    try:
        speak(asked(query))
    except WorkbenchError as error:
        speak(ENGLISH)
        return str(error)
    return ""


def part_of_link() -> str:
    """What keeps the language in a link, behind its `?s=...`; nothing for English."""
    return "" if spoken() == ENGLISH else f"&{NAME}={spoken()}"
