"""The language of the page. Everything below the page speaks English, runs and errors that are kept too; the widgets
`say` it in the language that a visitor reads.

A catalogue, `languages/zh.po`, has English texts as they stand in the code, an f-string's as a template with its
placeholders: "{n} of {units} filters". A finished sentence is known by what stands around the placeholders, and what
stands in their place is said in turn. Marks of HTML are no part of a text. What the catalogue does not know stays
English.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import NamedTuple

from ..core.errors import WorkbenchError

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "zh": "中文"}
"""Each by the name that its speakers give it."""
CATALOGUES = Path(__file__).parent / "languages"
FEW, ENOUGH = 8, 20
"""Letters beside its placeholders: with fewer than FEW, a template is known only by what stands in them, words that the
catalogue knows, single ones, or numbers; with ENOUGH it is known whatever does."""

_TAG = re.compile(r"(<[^<>]+>)")
_LETTER = re.compile(r"[A-Za-z]")
_PLAIN = re.compile(r"(?<![\w.:=])[a-z]{2,}(?![\w.:=])")
_PROSE = re.compile(r"[a-z]{2,} [a-z]{2,}")
_SHORT = re.compile(r"(?:\S+(?: (?:%|B|kB|MB|GB|k|M|G|ms|dB))?)?")
_SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z“(])|(?<=\?) |(?<=^\d\.) ")
_SIGNS = (" · ", " | ", " + ", " → ", ": ", ", ")
_LINE, _MOST_LINES = "<br>", 4
_NUMBER = r"[-+−~]?\d[\d.,]*(?: ?%)?"
_VALUES = {"text": ".*", "number": _NUMBER, "i": _NUMBER}
"""What stands in the place of some placeholders: of two ways to cut a sentence, `{text}` takes the more."""
_language = ENGLISH


def speak(language: str) -> None:
    """From now on, in this process, which serves one page. WorkbenchError for a language without a catalogue."""
    global _language
    if language not in LANGUAGES:
        raise WorkbenchError(
            f"There is no language {language[:40]!r} here; there are {', '.join(LANGUAGES)}, and English it is."
        )
    _language = language


def spoken() -> str:
    """The language of the page."""
    return _language


def say(text: str) -> str:
    """A text in the page's language; marks of HTML stay where they are."""
    if _language == ENGLISH or not _LETTER.search(text):
        return text
    if "<" not in text or text in catalogue(_language):
        return _said(_language, text)
    return _LINE.join(_lines(text.split(_LINE)))


def _lines(lines: list[str]) -> Iterator[str]:
    """Line by line; a sentence that was broken to fit is put together again."""
    said = list(map(_marked, lines))
    while lines:
        taken, best = 1, said[0]
        for n in range(2, 1 + min(_MOST_LINES, len(lines)) if _LETTER.search(best) else 0):
            whole = _marked(" ".join(lines[:n]))
            if not _PROSE.search(whole) and _english(whole) < sum(map(_english, said[:n])):
                taken, best = n, whole
                break
        yield best
        lines, said = lines[taken:], said[taken:]


def _marked(text: str) -> str:
    return "".join(part if part.startswith("<") else _between(part) for part in _TAG.split(text))


def _between(part: str) -> str:
    """What stands between two marks, spelled as HTML wants it."""
    plain = html.unescape(part)
    said = _said(_language, plain)
    return part if said == plain else html.escape(said, quote=False)


class Template(NamedTuple):
    """An English text with placeholders. longest: of its fixed parts; letters: in all of them; text: the same in
    another language.
    """

    pattern: re.Pattern[str]
    longest: str
    letters: int
    text: str


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """English -> the same in `language`."""
    from babel.messages.pofile import read_po  # nobody needs it who reads English

    with (CATALOGUES / f"{language}.po").open("rb") as file:
        found = read_po(file, locale=language)
    return {str(entry.id): str(entry.string) for entry in found if entry.id and entry.string}


@cache
def _known(language: str) -> Mapping[str, str]:
    """With what is a sentence there, as a part of another one."""
    known = catalogue(language)
    parts = {text[:-1]: said[:-1] for text, said in known.items() if text.endswith(".") and said.endswith("。")}
    return {**parts, **known}


@lru_cache(maxsize=16_384)
def _said(language: str, text: str) -> str:
    """The reading that leaves the least English; of two that leave the same, the one by the fuller template."""
    known = _known(language)
    if not _LETTER.search(text):
        return known.get(text, text)
    for spelled in (text, text[0].lower() + text[1:], text[0].upper() + text[1:], text.replace("_", " ")):
        if spelled in known:
            return known[spelled]
    if (bare := " ".join(text.split())) != text:
        return re.sub(r"\S.*\S|\S", lambda _found: _said(language, bare), text, count=1, flags=re.DOTALL)
    readings = [*_by_structure(language, text), *_by_template(language, text), *_by_parts(language, text), text]
    return min(readings, key=_english)


def _english(said: str) -> int:
    """Letters that are left."""
    return len(_LETTER.findall(said))


def _by_structure(language: str, text: str) -> Iterator[str]:
    """Sentence by sentence, and what semicolons set apart."""
    if len(sentences := _SENTENCES.split(text)) > 1:
        said = []
        while sentences:  # an entry may be several of them
            n = next((n for n in range(len(sentences), 1, -1) if " ".join(sentences[:n]) in _known(language)), 1)
            said.append(_said(language, " ".join(sentences[:n])))
            sentences = sentences[n:]
        yield "".join(a if a.endswith("。") else f"{a} " for a in said).rstrip()
    yield from _apart(language, text, "; ")


def _by_template(language: str, text: str) -> Iterator[str]:
    for template in _templates(language):
        if template.longest in text and (match := template.pattern.fullmatch(text)):
            values = {name: value.strip() for name, value in match.groupdict().items()}
            said = {name: _said(language, value) for name, value in values.items()}
            if _surely(template, values, said):
                yield template.text.format(**said)


def _surely(template: Template, values: dict[str, str], said: dict[str, str]) -> bool:
    """Whether the template says enough by itself to be the one that is meant, given what it leaves in English.

    `{reason}` is in the words of whoever gave it.
    """
    if template.letters >= ENOUGH:
        return True
    if template.letters >= FEW:
        return not any(_PROSE.search(text) for name, text in said.items() if name != "reason")
    single = all(", " not in value for name, value in values.items() if name not in ("text", "rest"))
    known = _known(_language)
    return single and all(v in known or _SHORT.fullmatch(v) or not _PLAIN.search(said[n]) for n, v in values.items())


def _by_parts(language: str, text: str) -> Iterator[str]:
    """Without the sign at an end, with a small letter, and by what signs set apart."""
    known = _known(language)
    if text[-1] in ".:" and (rest := text[:-1]) != (said := _said(language, rest)):
        yield said + known.get(text[-1], text[-1])
    if text.startswith(", "):
        yield known.get(", ", ", ") + _said(language, text[2:])
    if text[0].isupper() and (lower := text[0].lower() + text[1:]) != (said := _said(language, lower)):
        yield said
    for sign in _SIGNS:
        yield from _apart(language, text, sign)


def _apart(language: str, text: str, sign: str) -> Iterator[str]:
    """By one sign; nothing where English prose would be left."""
    parts = text.split(sign, 1 if sign == ": " else -1)
    said = [_said(language, part) for part in parts] if len(parts) > 1 else []
    if said not in ([], parts) and not any(map(_PROSE.search, said)):
        yield catalogue(language).get(sign, sign).join(said)


@cache
def _templates(language: str) -> list[Template]:
    """What says most by itself comes first."""
    known = sorted(_known(language).items(), key=lambda entry: _fullness(entry[0]), reverse=True)
    return [_template(text, other) for text, other in known if "{" in text]


def _fullness(text: str) -> tuple[int, int, bool, str]:
    """Letters, other signs, and whether it is particular about its values."""
    return letters(text), sum(map(len, literals(text))), "text" not in placeholders(text), text


def _template(text: str, other: str) -> Template:
    parts, seen = [], set()
    for literal, name, _form, _conversion in Formatter().parse(text):
        parts.append(re.escape(literal))
        if name is not None:
            value = _VALUES.get(name, ".*?")
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{value})")
            seen.add(name)
    pattern = re.compile("".join(parts), re.DOTALL)
    return Template(pattern, max(literals(text), key=len), letters(text), other)


def literals(text: str) -> list[str]:
    """The fixed parts of a template."""
    return [literal for literal, *_ in Formatter().parse(text)]


def placeholders(text: str) -> set[str]:
    """The names of a template's placeholders."""
    return {name for _, name, *_ in Formatter().parse(text) if name is not None}


def letters(text: str) -> int:
    """How many letters stand around the placeholders."""
    return sum(sum(map(str.isalpha, literal)) for literal in literals(text))
