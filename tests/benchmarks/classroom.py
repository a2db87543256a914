"""A class on one machine: sessions at once, each moving sliders; then one is killed, and the server too.

Run: python tests/benchmarks/classroom.py --sessions 30 --minutes 5. No browser takes part: every session speaks the
page's own protocol over the websocket, so that what is measured is the server and its kernels. Needs Linux for the
memory (PSS: what several processes share is counted once).
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from visitor import Visitor, free_port, get

from workbench.ui.serve import command, environment, notebook

METHODS = ("prune.magnitude_iter", "quant.kmeans_share", "prune.l1_filter", "lowrank.tsvd")
SLIDERS = {"pruning ratio": (0.2, 0.88), "bits (bit)": (2, 8), "rank share": (0.1, 0.9)}
TILE = re.compile(r"wb-tile wb-(\w+)[^>]*>.*?<b>([^<]*)</b>", re.S)
PATIENCE_S = 60


@dataclass
class Session:
    """One student: what they waited for, in seconds, and what went wrong."""

    number: int
    url: str
    opened: float = 0.0
    estimates: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    page: Visitor | None = None

    def open(self, path: str = "/") -> None:
        """Open the page and wait until its first number is there."""
        began = time.perf_counter()
        try:
            self.page = Visitor(self.url, path)
            if not self.page.until(lambda: look_of(self.page)[0] in ("measured", "sample"), 3 * PATIENCE_S):
                self.failures.append("no first number")
        except Exception as error:
            self.failures.append(f"opening: {type(error).__name__}: {error}"[:120])
        self.opened = time.perf_counter() - began

    def work(self, until: float) -> None:
        """Move what can be moved, with pauses to look at the answer; now and then another method."""
        chance = random.Random(self.number)
        try:
            while self.page is not None and time.monotonic() < until:
                if chance.random() < 0.1:
                    self._pick(chance.choice(METHODS))
                self._drag(chance)
                time.sleep(chance.uniform(1, 4))
        except Exception as error:
            self.failures.append(f"working: {type(error).__name__}: {error}"[:120])

    def _pick(self, method: str) -> None:
        page, numbers = self.page, tiles_in(self.page)
        menu = page.find(label="3. Method")
        if page.states[menu]["value"] == method:
            return
        old = slider_of(page)
        message = page.update(menu, value=method)
        if not page.until(lambda: message in page.answers.get(numbers, ()), PATIENCE_S):
            self.failures.append(f"{method}: no estimate")
        if not page.until(lambda: old is None or old[0] not in page.states, PATIENCE_S):
            self.failures.append(f"{method}: still the old method's knobs")

    def _drag(self, chance: random.Random) -> None:
        """Seven positions in half a second, then rest: the last one counts."""
        found = slider_of(self.page)
        if found is None:
            return
        comm, (low, high) = found
        whole = "Int" in self.page.states[comm]["_model_name"]
        start = end = self.page.states[comm]["value"]
        while abs(end - start) < (high - low) / 5:  # less may round to the same file, and nothing is new then
            end = chance.randint(int(low), int(high)) if whole else round(chance.uniform(low, high), 3)
        for i in range(1, 7):
            at = start + (end - start) * i / 8
            at = round(at) if whole else round(at, 3)
            if at != end:
                self.page.update(comm, value=at)
            time.sleep(0.06)
        began = time.perf_counter()
        self._wait(began, self.page.update(comm, value=end))

    def _wait(self, began: float, message: str) -> None:
        """Until the numbers have changed because of this message, and until they are measured."""
        page, numbers = self.page, tiles_in(self.page)
        if not page.until(lambda: message in page.answers.get(numbers, ()), PATIENCE_S):
            self.failures.append("the connection was closed" if page.closed else "no estimate")
            return
        self.estimates.append(time.perf_counter() - began)
        if not page.until(lambda: look_of(page)[0] in ("sample", "measured"), PATIENCE_S):
            self.failures.append("no measured sample")
            return
        self.measured.append(time.perf_counter() - began)


def tiles_in(page: Visitor) -> str:
    """The widget with the headline numbers."""
    return next((c for c, s in list(page.states.items()) if '"wb-tiles"' in str(s.get("value", ""))), "")


def tiles_of(page: Visitor) -> str:
    """The headline numbers, as they are written."""
    return page.states.get(tiles_in(page), {}).get("value", "")


def look_of(page: Visitor) -> tuple[str, str]:
    """(what it is, the number) of the accuracy: estimate, sample or measured."""
    found = TILE.search(tiles_of(page))
    return (found[1], found[2]) if found else ("", "")


def slider_of(page: Visitor) -> tuple[str, tuple[float, float]] | None:
    """A slider of the method that is chosen, newest first, and the range to move it in."""
    for comm, state in reversed(list(page.states.items())):
        if state.get("description") in SLIDERS and "Slider" in state.get("_model_name", ""):
            return comm, SLIDERS[state["description"]]
    return None


class Class:
    """A running `workbench app --classroom N`."""

    def __init__(self, sessions: int, home: str, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(os.path.join(home, "server.log"), "a")  # noqa: SIM115 - as long as the server runs
        self.process = subprocess.Popen(
            command(self.port, classroom=sessions, browser=False),
            cwd=notebook().parent,
            env={**os.environ, **environment(), "WORKBENCH_HOME": home},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def ready(self, kernels: int, seconds: float) -> float:
        """Seconds until so many kernels are there, have done their work and rest."""
        began, rests = time.perf_counter(), 0
        while rests < 3 and time.perf_counter() - began < seconds:
            found = self.kernels()
            before = [cpu_s([kernel]) for kernel in found]
            time.sleep(1)
            after = [cpu_s([kernel]) for kernel in found]
            rest = all(b > 1 and b - a < 0.1 for a, b in zip(before, after, strict=True))
            rests = rests + 1 if len(found) >= kernels and rest else 0
        return time.perf_counter() - began

    def kernels(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "ipykernel" in " ".join(child.cmdline())]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def pss_mb(process: psutil.Process) -> float:
    return process.memory_full_info().pss / 1e6


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def ninety_fifth(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else float("nan")


def at_once(sessions: list[Session], act) -> None:
    threads = [threading.Thread(target=act, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def work(room: Class, sessions: list[Session], minutes: float) -> None:
    """Everybody at once; what it cost."""
    at_once(sessions, Session.open)
    say("opened, slowest", f"{max(s.opened for s in sessions):.1f} s")
    say("opened, median", f"{statistics.median(s.opened for s in sessions):.1f} s")
    kernels, server = room.kernels(), psutil.Process(room.process.pid)
    before, began, at_first = cpu_s([*kernels, server]), time.monotonic(), cpu_s([server])
    at_once(sessions, lambda session: session.work(began + 60 * minutes))
    took = time.monotonic() - began
    estimates = [x for s in sessions for x in s.estimates]
    measured = [x for s in sessions for x in s.measured]
    memory = [pss_mb(kernel) for kernel in kernels]
    failures = [f"{s.number}: {why}" for s in sessions for why in s.failures]
    say("slider moves", str(len(estimates)))
    say("failures", str(len(failures)))
    for why in failures[:10]:
        say("", why)
    say("to the estimate, p95", f"{1000 * ninety_fifth(estimates):.0f} ms (median {1000 * median(estimates):.0f} ms)")
    say(
        "to a measured sample, p95", f"{1000 * ninety_fifth(measured):.0f} ms (median {1000 * median(measured):.0f} ms)"
    )
    say("memory of a session, PSS", f"{statistics.mean(memory):.0f} MB (most {max(memory):.0f} MB)")
    say("memory in all, PSS", f"{sum(memory) + pss_mb(server):.0f} MB, {pss_mb(server):.0f} MB of it the server")
    say("processor", f"{(cpu_s([*kernels, server]) - before) / took:.2f} cores of {os.cpu_count()}, "
        f"{(cpu_s([server]) - at_first) / took:.2f} of it the server")  # fmt: skip


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def one_killed(room: Class, sessions: list[Session]) -> None:
    """SIGKILL to one kernel: what its page learns, what the others notice, what reloading brings back."""
    victim, *others = sessions
    victim.page.until(lambda: look_of(victim.page)[0] == "measured", PATIENCE_S)
    link = link_of(victim.page)
    number = look_of(victim.page)
    dead = next(k for k in room.kernels() if victim.page.kernel in " ".join(k.cmdline()))
    dead.kill()
    began = time.perf_counter()
    told = victim.page.until(lambda: "dead" in states_of(victim.page), 20)
    say("one killed: its page is told", f"after {time.perf_counter() - began:.1f} s" if told else "not within 20 s")
    say("one killed: other pages that answer", f"{sum(s.page.alive(60) for s in others)} of {len(others)}")
    again = Session(victim.number, victim.url)
    again.open("/" + link)
    back = again.page is not None and again.page.until(lambda: look_of(again.page) == number, PATIENCE_S)
    say("one killed: reloaded from its link", f"{again.opened:.1f} s, the same accuracy: {'yes' if back else 'no'}")
    sessions[0] = again


def server_restarted(room: Class, sessions: list[Session], home: str) -> Class:
    """SIGKILL to the server: kernels have to go, pages come back from their links, and the store has what it had."""
    for session in sessions:
        session.page.until(lambda page=session.page: look_of(page)[0] == "measured", PATIENCE_S)
    links, numbers = [link_of(s.page) for s in sessions], [look_of(s.page) for s in sessions]
    old = room.kernels()
    room.process.kill()
    _, alive = psutil.wait_procs(old, timeout=30)
    say("server killed: kernels left after 30 s", str(len(alive)))
    room = Class(len(sessions), home, room.port)
    say("server restarted: kernels ready again", f"{room.ready(len(sessions), 600):.0f} s")
    again = [Session(s.number, room.url) for s in sessions]
    opens = dict(zip([s.number for s in again], links, strict=True))
    at_once(again, lambda session: session.open("/" + opens[session.number]))
    same = sum(
        s.page is not None and s.page.until(lambda s=s, n=n: look_of(s.page) == n, PATIENCE_S)
        for s, n in zip(again, numbers, strict=True)
    )
    say("server restarted: pages as they were", f"{same} of {len(again)}")
    sessions[:] = again
    return room


def states_of(page: Visitor) -> set[str]:
    return {c["execution_state"] for h, c, _ in list(page.heard) if h["msg_type"] == "status"}


def link_of(page: Visitor) -> str:
    """The page's address as it keeps it."""
    return next((s["query"] for s in page.states.values() if s.get("query", "").startswith("?s=")), "")


def say(what: str, value: str) -> None:
    print(f"{what:<40} {value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=5.0)
    asked = parser.parse_args()
    home = tempfile.mkdtemp()
    say("sessions, cores, load before", f"{asked.sessions}, {os.cpu_count()}, {os.getloadavg()[0]:.1f}")
    room = Class(asked.sessions, home)
    try:
        say("kernels ready", f"after {room.ready(asked.sessions, 900):.0f} s")
        sessions = [Session(i, room.url) for i in range(asked.sessions)]
        work(room, sessions, asked.minutes)
        say("one more than there are places", str(get(room.url)[0]))
        one_killed(room, sessions)
        room = server_restarted(room, sessions, home)
    finally:
        room.stop()
    say("load after", f"{os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
