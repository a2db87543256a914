"""Commands for a class: hand a file in to the contest, and see who leads."""

from __future__ import annotations

import argparse
from pathlib import Path

from .commands import emit
from .core.contest import Rule
from .core.errors import WorkbenchError
from .core.names import listed
from .data import datasets
from .experiment.contest import Board
from .texts import contest_text, entry_text


def run_contest(options: argparse.Namespace) -> None:
    """Open a board, hand a file in, or print the board."""
    if options.what == "submit":
        return _submit(options)
    board = Board(options.board, _rule(options) if options.what == "open" else None)
    leaders, entries = board.standing(), board.entries()
    document = {"board": str(board.path), "rule": board.rule, "standing": leaders, "entries": entries}
    return emit(options, document, lambda: contest_text(board.rule, leaders, entries))


def _submit(options: argparse.Namespace) -> None:
    if options.file is None or options.name is None:
        raise WorkbenchError("contest submit needs a file and --name NAME.")
    board = Board(options.board)
    entry = board.submit(options.name, Path(options.file))
    leaders = board.standing()
    place = next((i for i, leader in enumerate(leaders, 1) if leader.number == entry.number), None)
    document = {"entry": entry, "accuracy": entry.accuracy, "meets": entry.meets(board.rule), "place": place}
    emit(options, document, lambda: entry_text(entry, board.rule, leaders))


def _rule(options: argparse.Namespace) -> Rule:
    wanted, known = options.dataset, datasets()
    if wanted not in known:
        raise WorkbenchError(f"There is no dataset {wanted!r}; there are {listed(known, wanted)}.")
    return Rule(wanted, options.least)
