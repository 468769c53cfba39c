"""Starts the process in which losses run, listens to it, and ends it when its time is over."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

Event = dict[str, Any]
_TAIL = 4_000  # characters of what the process printed that are kept
_KERAS = 300.0  # seconds that importing Keras may take
_AFTER = 1.0  # seconds over the limit, in which the process writes where it was
_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>\S+)', re.MULTILINE)


class Ended(Exception):
    """The process ended, or was ended, before it had said all.

    Args:
        how: What happened, as a verb.
        mend: What can be done about it.
    """

    def __init__(self, how: str, mend: str) -> None:
        super().__init__(how)
        self.mend = mend


class Worker:
    """One process, as a context manager that leaves nothing running.

    Args:
        request: What it is to do; see `check_worker`.
        backend: What Keras runs on.
    """

    def __init__(self, request: Event, backend: str) -> None:
        self._request, self._backend = request, backend
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._printed = ""

    def __enter__(self) -> Self:
        """Start it."""
        environment = {
            **os.environ,
            "KERAS_BACKEND": self._backend,
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lossmith.cli.check_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # what it starts itself ends with it
        )
        listeners = ((self._hear, self._process.stdout), (self._keep, self._process.stderr))
        self._threads = [
            threading.Thread(target=target, args=(stream,), daemon=True)
            for target, stream in listeners
        ]
        for thread in self._threads:
            thread.start()
        assert self._process.stdin  # noqa: S101 - a pipe
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(json.dumps(self._request).encode() + b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and all that it started."""
        self._kill()
        for thread in self._threads:
            thread.join(_AFTER)

    def events(self) -> Iterator[Event]:
        """Yield what it says until it has said all.

        Raises:
            Ended: If it ends before that, or does not go on within the limit.
        """
        limit: float = self._request["limit"]
        end = time.monotonic() + _KERAS
        while True:
            try:
                line = self._lines.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                self._kill()
                mend = f"give it longer with --limit {2 * limit:g}, if it does end"
                raise Ended(f"did not end within {limit:g} s", mend) from None
            if line is None:
                mend = "raise an exception where it cannot go on"
                raise Ended(self._how_it_ended(), mend)
            event: Event = json.loads(line)
            if event["event"] in {"import", "loss"}:
                end = time.monotonic() + limit + _AFTER
            elif event["event"] == "found":
                end = time.monotonic() + _KERAS
            yield event
            if event["event"] == "end":
                return

    @property
    def printed(self) -> str:
        """The end of what it printed."""
        return self._printed

    def stopped_at(self, file: Path) -> str:
        """Return the innermost line of a file that was running when the process was stopped."""
        trace = Path(self._request["trace"])
        text = trace.read_text("utf-8", "replace") if trace.exists() else ""
        for frame in _FRAME.finditer(text):
            if Path(frame["file"]) == file:
                source = file.read_text("utf-8", "replace").splitlines()
                number = int(frame["line"])
                line = source[number - 1].strip() if number <= len(source) else frame["name"]
                return f"{file.name}:{number}: {line}"
        return ""

    def _hear(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._lines.put(line.decode())
        self._lines.put(None)

    def _keep(self, stream: IO[bytes]) -> None:
        """Keep the end of what is printed, however much it is."""
        with stream:
            while block := stream.read1(65536):  # type: ignore[attr-defined]
                self._printed = (self._printed + block.decode("utf-8", "replace"))[-_TAIL:]

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"ended the process with exit code {code}"
        name = signal.Signals(-code).name
        return f"ended the process: {name} ({signal.strsignal(-code)})"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
