"""The places that raise in explain and simplify."""

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from click.testing import CliRunner

import lossmith as lm
from lossmith.cli.explain import explain
from lossmith.look.batch import read_batch


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


def error(y_true, y_pred):
    return y_true - y_pred


def batch_of(**arrays):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "batch.npz"
        np.savez(path, **arrays)
        return read_batch(path)


def batch_that_is_none():
    with TemporaryDirectory() as folder:
        path = Path(folder) / "batch.npz"
        path.write_text("no arrays")
        read_batch(path)


def batch_of_objects():
    batch_of(y=np.array([{"a": 1}], dtype=object))


def explained(source: str, name: str = ""):
    """Run the command on a file with this source; what it raises is raised."""
    with TemporaryDirectory() as folder, chdir(folder):
        path = Path("losses_of_a_case.py")
        path.write_text(source)
        given = [f"{path}:{name}" if name else str(path)]
        raise CliRunner().invoke(explain, given, standalone_mode=False).exception


CASES: dict[str, Callable[[], object]] = {
    "explain-not-a-loss": lambda: lm.explain(3, zeros(2), zeros(2)),
    "explain-no-such-name": lambda: lm.explain("mean_squared_eror", zeros(2), zeros(2)),
    "explain-not-numbers": lambda: lm.explain("mse", {"y": zeros(2)}, zeros(2)),
    "explain-axes-of-one-tensor": lambda: lm.explain("mse", zeros(2, 3), zeros(2, 3), "b t"),
    "explain-axes-of-another-rank": lambda: lm.explain("mse", zeros(2, 3), zeros(2), "b, b"),
    "explain-data-not-arrays": batch_that_is_none,
    "explain-data-missing": lambda: read_batch(Path("missing.npz")),
    "explain-data-objects": batch_of_objects,
    "explain-data-words": lambda: batch_of(y=np.array(["a"])),
    "explain-data-unknown-name": lambda: batch_of(targets=zeros(2)),
    "explain-data-lacks-output": lambda: batch_of(y=zeros(2)).one("output"),
    "explain-command-no-such-loss": lambda: explained("x = 1", "my_loss"),
    "explain-command-needs-data": lambda: explained(
        "import lossmith as lm\nloss = lm.Loss('l1', of='layer:encoder')"
    ),
    "explain-command-file-raises": lambda: explained("raise ValueError('on import')"),
    "simplify-not-made-of-parts": lambda: lm.simplify("mse", zeros(2), zeros(2)),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {
    "explain-command-file-raises": ("jax", "it names the backend"),
}

NOT_RAISED: dict[str, str] = {
    "cli/explain.py::_loss": "it names the backend; cased on one",
}
