"""What a demo needs before Keras is imported: a backend, its data, and sensible numbers."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from importlib.util import find_spec

from lossmith import __version__
from lossmith.messages import ArgumentError, closest, listed

BACKENDS = ("jax", "tensorflow", "torch")


def choose_backend(name: str) -> None:
    """Make Keras run on a backend; to be called before Keras is imported.

    Raises:
        ArgumentError: If there is no such backend, if it is not installed, or if Keras is
            already running on another one.
    """
    if name not in BACKENDS:
        raise ArgumentError(
            f"Keras has no backend {name!r} that lossmith runs on",
            got=f"--backend {name} (or KERAS_BACKEND={name})",
            expected=listed(BACKENDS),
            fix=f"--backend {closest(name, BACKENDS)[0]}",
        )
    if find_spec(name) is None:
        raise ArgumentError(
            f"the backend {name} is not installed",
            got=f"--backend {name}, installed: {listed(filter(find_spec, BACKENDS))}",
            expected="one of the frameworks that Keras runs on",
            fix=f'pip install "lossmith[{name}]"',
        )
    running = _running_backend()
    if running not in {None, name}:
        raise ArgumentError(
            "Keras cannot change its backend after it was imported",
            got=f"{name}, in a process where Keras runs on {running}",
            expected=f"{running}, or a process of its own",
            fix=f"KERAS_BACKEND={name} lossmith demo g2p",
        )
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def require_data(*packages: str) -> None:
    """Refuse to start when a package of the extra `demos` is missing.

    Raises:
        ArgumentError: If one of them is not installed.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ArgumentError(
            "the demo needs packages that are not installed",
            got=f"missing: {listed(missing)}",
            expected="the extra with the data and the plots",
            fix='pip install "lossmith[demos]"',
        )


def at_least(least: int, name: str, value: int) -> None:
    """Refuse an option below its least value.

    Raises:
        ArgumentError: If it is below.
    """
    if value < least:
        raise ArgumentError(
            f"{name} is below {least}",
            got=f"{name} {value}",
            expected=f"a whole number, {least} or more",
            fix=f"{name} {least}",
        )


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    backend = os.environ["KERAS_BACKEND"]
    return {
        "lossmith": __version__,
        "backend": backend,
        backend: sys.modules[backend].__version__,
        **{name: metadata.version(name) for name in ("keras", "numpy")},
        "python": platform.python_version(),
    }


def _running_backend() -> str | None:
    keras = sys.modules.get("keras")
    return keras.config.backend() if keras else None
