"""Runs that were measured once are there at once: a SQLite file that many processes share."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import WorkbenchError
from ..core.home import home
from ..core.label import Label
from ..core.recipe import Recipe, from_json, to_json
from ..core.records import Run, Sensitivity

_SCHEMA = """
create table if not exists record (
    kind text not null, key text not null, fingerprint text not null,
    network text not null, dataset text not null, made real not null, body text not null,
    primary key (kind, key, fingerprint)
) without rowid;
create index if not exists recent on record (kind, network, dataset, fingerprint, made)
"""
_WAIT_S = 30.0


class Store:
    """Runs and sensitivities by recipe. Every write is its own transaction, so a killed process loses nothing finished.

    Readers and writers in many processes do not block each other (write-ahead log). A damaged file is set aside
    under another name and a new one begun; what the last one said is in `notice`.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path is not None else home() / "runs.sqlite"
        self.notice = ""
        self._local = threading.local()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._begin()
        except OSError as error:
            raise WorkbenchError(f"The store {self.path} cannot be opened: {error.strerror or error}.") from None

    def get(self, recipe: Recipe, split: str, fingerprint: str) -> Run | None:
        """The run of exactly this recipe on `split`, or None."""
        found: Run | None = self._one(f"run/{split}", recipe.key, fingerprint, Run)
        return found

    def put(self, run: Run, fingerprint: str) -> None:
        """Keep `run`; a run of the same recipe, split and fingerprint is replaced."""
        self._keep(f"run/{run.measurement.accuracy.split}", run.recipe, fingerprint, run)

    def runs(self, network: str, dataset: str, split: str, fingerprint: str, *, since: float = 0.0) -> list[Run]:
        """Every run of this network on this data that was kept since then (seconds of `time.time()`), oldest first."""
        query = (
            "select body from record where kind=? and network=? and dataset=? and fingerprint=? and made>=? "
            "order by made, key"
        )
        rows = self._do(query, (f"run/{split}", network, dataset, fingerprint, since))
        return [from_json(body, Run) for (body,) in rows]

    def found(self, key: str, split: str) -> list[Run]:
        """Every run on `split` whose recipe's key begins with `key`, newest first."""
        query = "select body from record where kind=? and substr(key, 1, ?)=? order by made desc"
        return [from_json(body, Run) for (body,) in self._do(query, (f"run/{split}", len(key), key))]

    def get_sensitivity(self, recipe: Recipe, fingerprint: str) -> Sensitivity | None:
        """The finished scan for the recipe's only step, or None."""
        found: Sensitivity | None = self._one("sensitivity", recipe.key, fingerprint, Sensitivity)
        return found

    def put_sensitivity(self, recipe: Recipe, scan: Sensitivity, fingerprint: str) -> None:
        self._keep("sensitivity", recipe, fingerprint, scan)

    def get_plan(self, recipe: Recipe, budget: str, fingerprint: str, record: type) -> Any:
        """How a search for `budget` over what the recipe leaves open began, as a `record`, or None."""
        return self._one(f"search/{budget}", recipe.key, fingerprint, record)

    def put_plan(self, recipe: Recipe, budget: str, fingerprint: str, plan: object) -> None:
        self._keep(f"search/{budget}", recipe, fingerprint, plan)

    def labels(self, network: str, dataset: str) -> dict[str, Label]:
        """What is written on the runs of this network on this data, by recipe key."""
        query = "select key, body from record where kind='label' and network=? and dataset=?"
        return {key: from_json(body, Label) for key, body in self._do(query, (network, dataset))}

    def put_label(self, recipe: Recipe, label: Label) -> None:
        self._keep("label", recipe, "", label)

    def _one(self, kind: str, key: str, fingerprint: str, record: type) -> Any:
        query = "select body from record where kind=? and key=? and fingerprint=?"
        rows = self._do(query, (kind, key, fingerprint))
        return from_json(rows[0][0], record) if rows else None

    def _keep(self, kind: str, recipe: Recipe, fingerprint: str, record: object) -> None:
        row = (kind, recipe.key, fingerprint, recipe.network, recipe.dataset, time.time(), to_json(record))
        self._do("insert or replace into record values (?,?,?,?,?,?,?)", row)

    def _do(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._connection() as connection:
            return connection.execute(query, values).fetchall()

    def _begin(self) -> None:
        try:
            self._make_tables()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise OSError(str(error)) from None
            self._local = threading.local()
            aside = self.path.with_suffix(f".damaged-{int(time.time())}")
            self.path.replace(aside)
            for leftover in ("-wal", "-shm"):
                self.path.with_name(self.path.name + leftover).unlink(missing_ok=True)
            self.notice = f"The store was damaged; it was set aside as {aside.name} and a new one begun."
            self._make_tables()

    def _make_tables(self) -> None:
        for statement in _SCHEMA.split(";"):
            self._do(statement)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One connection per thread and process: SQLite's own do not survive a fork."""
        if getattr(self._local, "pid", None) != os.getpid():
            connection = sqlite3.connect(self.path, timeout=_WAIT_S)
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=normal")
            self._local.connection, self._local.pid = connection, os.getpid()
        connection = self._local.connection
        with connection:
            yield connection
