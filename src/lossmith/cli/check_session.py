"""One `lossmith check`: processes, and what is made of what they say."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from lossmith.cli.check_output import Outcome, command, stopped
from lossmith.cli.check_process import Ended, Worker
from lossmith.cli.check_reading import Reading, not_imported
from lossmith.cli.exits import UNABLE

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 2.0  # seconds without a progress bar


class Fault(click.ClickException):
    """A fault of lossmith itself, in the process that runs the losses."""

    exit_code = UNABLE

    def __init__(self, error: str) -> None:
        super().__init__(f"lossmith itself failed; please report this\n{error}")


@dataclass
class Session:
    """One command: the same losses on one backend after the other.

    Attributes:
        path: The file.
        name: One loss of it; empty: all.
        reading: What its code says.
        given: What the options say.
        folder: For files between processes.
        bar: The progress.
        backend: What `--backend` says.
        compared: Whether there is another backend to compare with.
        outcomes: What came of it.
        notes: What else there is to say.
    """

    path: Path
    name: str
    reading: Reading
    given: dict[str, Any]
    folder: Path
    bar: Bar
    backend: str | None = None
    compared: bool = False
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    notes: list[str] = field(default_factory=list[str])
    fingerprints: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def run(self, backend: str) -> None:
        """Check on one backend. A loss that ends its process costs a new one for the next."""
        listener = Listener(self, backend)
        while not listener.all_done:
            with Worker(self._request(listener), backend) as worker:
                try:
                    for event in worker.events():
                        listener.hear(event)
                except Ended as ended:
                    listener.ended(ended, worker)
        self.outcomes += listener.outcomes

    @property
    def options(self) -> list[str]:
        """The options that another command needs to do the same."""
        words: list[str] = []
        for option in ("axes", "y_true", "y_pred"):
            if self.given[option]:
                words += [f"--{option.replace('_', '-')}", self.given[option]]
        for key, value in self.given["promises"].items():
            words += [
                "--promise",
                f"{key}={value if isinstance(value, str) else json.dumps(value)}",
            ]
        words += ["--seed", str(self.given["seed"])] if self.given["seed"] else []
        return words + (["--backend", self.backend] if self.backend else [])

    def _request(self, listener: Listener) -> dict[str, Any]:
        fingerprints = ""
        if self.compared:
            fingerprints = str(self.folder / listener.backend)
            Path(fingerprints).mkdir(exist_ok=True)
        return {
            **self.given,
            "file": str(self.path.resolve()),
            "shown": str(self.path),
            "options": self.options,
            "name": self.name,
            "functions": self.reading.functions,
            "done": [outcome.loss.rpartition(":")[2] for outcome in listener.outcomes],
            "trace": str(self.folder / "trace"),
            "fingerprints": fingerprints,
            "elsewhere": self.fingerprints,
        }


@dataclass
class Listener:
    """Makes outcomes of what the processes of one backend say.

    Attributes:
        session: The command.
        backend: What Keras runs on.
        outcomes: One for each loss that was begun.
        losses: All losses, when they are known.
        checks: How many checks there are.
        at: The check that runs; empty: none.
        all_done: Whether there is nothing left to start a process for.
    """

    session: Session
    backend: str
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    losses: list[str] | None = None
    checks: int = 0
    at: str = ""
    all_done: bool = False

    def hear(self, event: dict[str, Any]) -> None:  # noqa: C901 - one case an event
        """Take one event.

        Raises:
            ArgumentError: If nothing can be checked.
            Fault: If lossmith itself failed.
        """
        file, session = self.session.path.name, self.session
        match event:
            case {"event": "found", "losses": losses, "checks": checks}:
                self.losses, self.checks = losses, checks
            case {"event": "loss", "loss": name}:
                self.outcomes.append(Outcome(f"{file}:{name}", self.backend))
            case {"event": "facts", "facts": facts, "text": head}:
                self.outcomes[-1].facts, self.outcomes[-1].head = facts, head
            case {"event": "check", "check": name}:
                self.at = name
                self._show()
            case {"event": "result", "result": result, "text": text}:
                self.outcomes[-1].results.append({**result, "text": text})
            case {"event": "refused", "error": error}:
                self.outcomes[-1].refused = error
            case {"event": "fingerprint", "loss": name, "file": saved}:
                session.fingerprints.setdefault(name, {})[self.backend] = saved
            case {"event": "left out", "loss": name, "why": why}:
                note = f"{file}:{name} is not checked: {why}"
                session.notes += [note] if note not in session.notes else []
            case {"event": "unable", "error": error}:
                raise not_imported(session.path, error, self.backend)
            case {"event": "fault", "error": error}:
                raise Fault(error)
            case {"event": "end"}:
                self.all_done = True
            case _:  # "ready" and "import" are for the clock
                pass

    def ended(self, ended: Ended, worker: Worker) -> None:
        """Take it that the process is gone: as a result of the loss that ran, if one did."""
        if self.losses is None or not self.outcomes:
            where = worker.stopped_at(self.session.path.resolve())
            parts = [f"it {ended}", where, worker.printed.strip()]
            said = "\n".join(part for part in parts if part)
            raise not_imported(self.session.path, said, self.backend)
        outcome, session = self.outcomes[-1], self.session
        target = f"{session.path}:{outcome.loss.rpartition(':')[2]}"
        outcome.results.append(
            stopped(
                self.at,
                f"the loss {ended}",
                where=worker.stopped_at(session.path.resolve()),
                mend=ended.mend,
                repeat=command(target, session.options, self.at),
            )
        )
        self.all_done = len(self.outcomes) == len(self.losses)

    def _show(self) -> None:
        total = self.checks * len(self.losses or ())
        done = self.checks * max(len(self.outcomes) - 1, 0) + len(self.outcomes[-1].results)
        self.session.bar.show(f"{self.outcomes[-1].loss} {self.at} [{self.backend}]", done, total)


class Bar:
    """A progress bar on a terminal, once it has taken long enough to ask oneself."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        """Wait for its time."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("starting Keras", total=None)
            self._timer = threading.Timer(_PATIENCE, self._progress.start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def show(self, what: str, done: int, total: int) -> None:
        """Say what runs, and how far it is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        if self._timer is not None and self._progress is not None:
            self._timer.cancel()
            self._timer.join()
            self._progress.stop()
