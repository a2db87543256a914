"""The board of a contest on one machine: a SQLite file that every process may write to at once.

An entry is a file. It is decoded here and asked about images that it was not chosen on; nothing it says about itself
counts, but its length.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from torch import nn

from ..core.contest import MOST_FILE, Entry, Rule, checked_least, entrant, standing
from ..core.errors import FileError, WorkbenchError
from ..core.home import home
from ..core.recipe import Recipe, from_json
from ..core.records import Accuracy
from ..data import Dataset, load_dataset
from ..measure.accuracy import accuracy
from ..measure.macs import total_macs
from ..networks import networks
from ..networks.artifact import Header, unpack_model
from ..storage.artifact import unpack

SPLIT = "test"
MOST_DECODED = 64_000_000
MOST_PARAMETERS = 3_000_000
MOST_MACS = 500_000_000
MOST_ENTRIES = 500
_WAIT_S = 60.0
_TABLES = (
    """create table if not exists rule (
        one integer primary key check (one = 1), dataset text not null, least real not null)""",
    """create table if not exists entry (
        number integer primary key autoincrement, name text not null, file_bytes integer not null,
        correct integer not null, n integer not null, network text not null, steps text not null,
        handed_in text not null, file blob not null)""",
)
_COLUMNS = "number, name, file_bytes, correct, n, network, steps, handed_in"


class Board:
    """The entries of one contest. rule: of a new board; an existing one keeps its own, which must be the same.

    WorkbenchError when the file cannot be opened or is no board.
    """

    def __init__(self, path: Path | str | None = None, rule: Rule | None = None) -> None:
        self.path = Path(path) if path is not None else home() / "contest.sqlite"
        if rule is not None:
            checked_least(rule.least)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.rule = self._opened(rule)
        except (OSError, sqlite3.Error) as error:
            raise WorkbenchError(f"The board {self.path} cannot be opened: {error}.") from None
        if rule is not None and rule != self.rule:
            raise WorkbenchError(f"The board {self.path} has another rule already: {self.rule}.")

    def submit(self, name: str, file: bytes | Path) -> Entry:
        """Score the file and write it down. WorkbenchError in one sentence for a name or a file that will not do.

        One that answers too little of the images is written down too, and stands nowhere.
        """
        name, data = entrant(name), _bytes(file)
        network, steps, found = scored(data, load_dataset(self.rule.dataset))
        handed_in = datetime.now(UTC).isoformat(timespec="seconds")
        row = (name, len(data), found.correct, found.n, network, steps, handed_in)
        with self._connection() as connection:
            # Counting and writing are one transaction: two who come at once do not both take the last place.
            connection.execute("begin immediate")
            (count,) = connection.execute("select count(*) from entry where lower(name)=lower(?)", (name,)).fetchone()
            if count >= MOST_ENTRIES:
                raise WorkbenchError(f"{name} has handed in {MOST_ENTRIES} files, which is as many as anyone may.")
            number = connection.execute(
                "insert into entry (name, file_bytes, correct, n, network, steps, handed_in, file) "
                "values (?,?,?,?,?,?,?,?)",
                (*row, data),
            ).lastrowid
        assert number is not None
        return Entry(number, *row)

    def entries(self) -> list[Entry]:
        """All that were handed in, the first one first."""
        with self._connection() as connection:
            rows = connection.execute(f"select {_COLUMNS} from entry order by number").fetchall()  # noqa: S608 - ours
        return [Entry(*row) for row in rows]

    def standing(self) -> list[Entry]:
        """Who leads: the best entry of each name that meets the rule."""
        return standing(self.entries(), self.rule)

    def file(self, number: int) -> bytes:
        """The file of an entry; WorkbenchError when there is none of that number."""
        with self._connection() as connection:
            row = connection.execute("select file from entry where number=?", (number,)).fetchone()
        if row is None:
            raise WorkbenchError(f"The board has no entry {number}.")
        return bytes(row[0])

    def _opened(self, rule: Rule | None) -> Rule:
        wanted = rule or Rule()
        with self._connection() as connection:
            for table in _TABLES:
                connection.execute(table)
            connection.execute("insert or ignore into rule values (1, ?, ?)", (wanted.dataset, wanted.least))
            return Rule(*connection.execute("select dataset, least from rule").fetchone())

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One for each use: threads and forked processes never share any."""
        connection = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        try:
            connection.execute("pragma journal_mode=wal")
            yield connection
            if connection.in_transaction:
                connection.commit()
        finally:
            connection.close()  # what was not committed is undone


def scored(data: bytes, dataset: Dataset) -> tuple[str, str, Accuracy]:
    """(network, its recipe's steps in words, accuracy on held-out images) of an entry; WorkbenchError in one sentence.

    What could cost much is refused before it is done: by length, network, decoded size, and what one image takes.
    """
    if len(data) > MOST_FILE:
        raise FileError(f"An entry has at most {MOST_FILE:,} bytes; this one has {len(data):,}.")
    header = _header(data)
    spec = networks().get(header.network)
    if spec is None or spec.parameters > MOST_PARAMETERS:
        raise FileError(f"An entry is one of the small networks that come with the workbench, not {_named(header)}.")
    if tuple(header.input_shape) != tuple(dataset.input_shape) or header.classes != len(dataset.classes):
        raise FileError(f"The entry is not made for the images and classes of {dataset.name}.")
    network = _network(data)
    if (macs := total_macs(network, dataset.input_shape)) > MOST_MACS:
        raise FileError(f"An entry takes at most {MOST_MACS:,} multiplications an image; this one takes {macs:,}.")
    found = accuracy(network, dataset.split(SPLIT), split=SPLIT)
    return spec.name, _steps(header), found


def _header(data: bytes) -> Header:
    try:
        return msgspec.convert(unpack(data, limit=MOST_DECODED).header, Header)
    except msgspec.ValidationError:
        raise FileError("The file's header does not describe a network.") from None


def _network(data: bytes) -> nn.Module:
    """Whatever a forged header makes the builders do, it ends in a sentence."""
    try:
        return unpack_model(data).network
    except WorkbenchError:
        raise
    except Exception as error:
        raise FileError(f"The file describes a network that cannot be built ({type(error).__name__}).") from None


def _named(header: Header) -> str:
    return ascii(header.network[:40])


def _steps(header: Header) -> str:
    """As the command line spells them; the file may claim what it wants, so it is shown and never used."""
    try:
        recipe = from_json(msgspec.json.encode(header.recipe), Recipe)
    except WorkbenchError:
        return ""
    return " ".join(str(step) for step in recipe.steps)[:400]


def _bytes(file: bytes | Path) -> bytes:
    if isinstance(file, bytes):
        return file
    try:
        about = file.stat()
        data = file.read_bytes() if stat.S_ISREG(about.st_mode) and about.st_size <= MOST_FILE else None
    except (OSError, ValueError) as error:
        raise FileError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if data is None:
        raise FileError(f"{file} is not a file of at most {MOST_FILE:,} bytes.")
    return data
