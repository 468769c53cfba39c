"""The process in which the losses of a file run: `python -m lossmith.cli.check_worker`.

It reads one request, as JSON, from stdin, and writes events to what was stdout, one line of JSON
each. What the losses themselves print goes to stderr. If a loss ends or stops the process, the
one that started it knows from the last event which loss and check it was.
"""

from __future__ import annotations

import faulthandler
import gc
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lossmith.cli import check_output
from lossmith.messages import LossmithError

_STDOUT, _STDERR = 1, 2
_RUNS = "output-contract"  # the check that a loss breaks if it does not run at all
Tell = Callable[..., None]


def main() -> None:
    """Serve one request; a fault of ours is told, so that no loss is blamed for it."""
    tell = _events()
    try:
        _serve(json.loads(sys.stdin.readline()), tell)
    except Exception:  # noqa: BLE001
        tell("fault", error=traceback.format_exc())


def _serve(request: Mapping[str, Any], tell: Tell) -> None:
    sys.stdin = io.StringIO()
    trace = Path(request["trace"]).open("w")  # noqa: SIM115 - open until the process ends
    faulthandler.enable(trace)
    import keras

    from lossmith.checks.unit import chosen

    _hold_memory()
    tell("ready", backend=keras.config.backend())
    try:
        checks = chosen(request["only"] or None)
    except LossmithError as error:
        tell("unable", error=str(error))
        return
    losses = _found(request, tell, trace)
    tell("found", losses=list(losses), checks=len(checks))
    for name, loss in losses.items():
        if name not in request["done"]:
            faulthandler.dump_traceback_later(request["limit"], file=trace)
            tell("loss", loss=name)
            _check(name, loss, checks, request, tell)
            gc.collect()  # errors hold on to frames, and frames to arrays
    tell("end")


def _events() -> Tell:
    """Take stdout over for events; what is printed goes to stderr."""
    stream = os.fdopen(os.dup(_STDOUT), "w", encoding="utf-8")
    os.dup2(_STDERR, _STDOUT)

    def tell(event: str, **facts: Any) -> None:
        stream.write(json.dumps({"event": event, **facts}) + "\n")
        stream.flush()

    return tell


def _hold_memory() -> None:
    """Let the losses have half of the machine's memory on top of what Keras has taken."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    if not sys.platform.startswith("linux"):
        return
    page = os.sysconf("SC_PAGE_SIZE")
    taken = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * page
    most = taken + os.sysconf("SC_PHYS_PAGES") * page // 2
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def _found(request: Mapping[str, Any], tell: Tell, trace: io.TextIOWrapper) -> dict[str, Any]:
    """Run the file and return its losses; say why, and end, where that fails."""
    from lossmith.checks import loading

    path = Path(request["file"])
    sys.argv = [str(path)]
    faulthandler.dump_traceback_later(request["limit"], file=trace)
    tell("import")
    try:
        module = loading.load(path)
        losses, left_out = loading.losses_in(module, request["functions"])
    except BaseException as error:  # noqa: BLE001 - whatever a file does
        tell("unable", error=_last_of(error, path))
        sys.exit()
    finally:
        faulthandler.cancel_dump_traceback_later()
    wanted = request["name"]
    if wanted:
        losses = {wanted: getattr(module, wanted)} if hasattr(module, wanted) else {}
        left_out = {}
    for name, why in left_out.items():
        tell("left out", loss=name, why=why)
    return losses


def _last_of(error: BaseException, path: Path) -> str:
    """Say what an error was, and on which line of the file."""
    said = "".join(traceback.format_exception_only(error)).strip()
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    return f"{path.name}:{frames[-1].lineno}: {said}" if frames else said


def _check(
    name: str, loss: Any, checks: Mapping[str, Any], request: Mapping[str, Any], tell: Tell
) -> None:
    from lossmith.checks.report import Report
    from lossmith.checks.runner import prepare
    from lossmith.checks.unit import chosen

    asked = {key: request[key] for key in ("axes", "y_true", "y_pred", "promises", "seed")}
    tell("check", check=_RUNS)
    try:
        run = prepare(loss, **asked, named=(Path(request["file"]), name))
    except LossmithError as error:
        tell("refused", error=str(error))
        return
    except BaseException as error:  # noqa: BLE001 - whatever a loss does is a result
        _tell_result(_ended(_RUNS, checks.get(_RUNS), error), name, request, tell)
        return
    run.elsewhere = _read(request["elsewhere"].get(name, {}))
    head = str(Report(run.place, run.facts, ())).partition("\n\n")[0]
    tell("facts", facts=dict(run.facts), text=head)
    if run.found.error is not None:  # then this one says what it raised
        checks = {**checks, **chosen(_RUNS)}
    for unit in checks.values():
        tell("check", check=unit.name)
        try:
            result = run.result(unit)
        except BaseException as error:  # noqa: BLE001
            result = _ended(unit.name, unit, error)
        _tell_result(result, name, request, tell)
    if request["fingerprints"]:
        file = Path(request["fingerprints"]) / f"{name}.npz"
        _save_fingerprint(run, file)
        tell("fingerprint", loss=name, file=str(file))


def _save_fingerprint(run: Any, file: Path) -> None:
    """Write what the loss gives on fixed batches, for another backend to compare with."""
    import numpy as np

    from lossmith.checks.fingerprint import fingerprint_of

    np.savez(file, **fingerprint_of(run.probe("backends-agree")))


def _read(files: Mapping[str, str]) -> dict[str, Any]:
    import numpy as np

    return {backend: dict(np.load(file)) for backend, file in files.items()}


def _ended(check: str, unit: Any, error: BaseException) -> Any:
    """Return the result for a loss that raises what ends Python: `SystemExit`, an interrupt."""
    from lossmith.checks.report import Result, Status

    return Result(
        check,
        Status.BROKEN,
        unit.law if unit else "",
        f"raised {error!r}",
        mend="raise an Exception where the loss cannot go on, and leave Python running",
    )


def _tell_result(result: Any, name: str, request: Mapping[str, Any], tell: Tell) -> None:
    """Give the command that repeats it as it was called, and send it."""
    import dataclasses

    if result.repeat:
        repeat = check_output.command(
            f"{request['shown']}:{name}", request["options"], result.check
        )
        result = dataclasses.replace(result, repeat=repeat)
    tell("result", result=result.to_dict(), text=str(result))


if __name__ == "__main__":
    main()
