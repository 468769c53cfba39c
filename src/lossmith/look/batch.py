"""A batch in a file: arrays by the names of their sources."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.core.sources import KINDS, Sources
from lossmith.messages import ArgumentError, listed

Array = Any
_ALIASES = {"y_true": "y", "y_pred": "output"}


@dataclass(frozen=True)
class Saved:
    """The arrays of a file, by source.

    Attributes:
        path: The file.
        arrays: The arrays: `"y"`, `"y:lengths"`, `"output"`, `"output:head"`, `"sample_weight"`.
    """

    path: Path
    arrays: Mapping[str, Array]

    @property
    def sources(self) -> Sources:
        """All of them as a loss of ours asks for them."""
        given = {kind: self._of(kind) for kind in KINDS}
        return Sources(**given)

    def one(self, source: str) -> Array:
        """Return the one array under a name.

        Raises:
            ArgumentError: If it is not there.
        """
        if source not in self.arrays:
            raise ArgumentError(
                f"{self.path.name} has no {source!r}",
                got=f"arrays {listed(self.arrays)}",
                expected="the target as y and the prediction as output",
                fix=f'np.savez("{self.path.name}", y=y_true, output=y_pred)',
            )
        return self.arrays[source]

    def _of(self, kind: str) -> Any:
        """Return what stands under a kind: one array, a dict of fields, or None."""
        fields = {
            name.partition(":")[2] or kind: array
            for name, array in self.arrays.items()
            if name.partition(":")[0] == kind
        }
        return fields.get(kind) if set(fields) <= {kind} else fields


def read_batch(path: Path) -> Saved:
    """Read a file of NumPy arrays. Nothing in it is run.

    Args:
        path: An `.npz` whose names are those of sources; `y_true` and `y_pred` stand for `y` and
            `output`.

    Raises:
        ArgumentError: If it cannot be read, or holds what is no array of numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {_ALIASES.get(name, name): file[name] for name in map(str, file.files)}
    except (OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise _unreadable(path, str(error) or type(error).__name__) from None
    except ValueError:
        raise _unreadable(path, "another format, or Python objects, which are not loaded") from None
    others = [name for name, array in arrays.items() if array.dtype.kind not in "iufb"]
    unknown = [name for name in arrays if name.partition(":")[0] not in KINDS]
    if others or unknown:
        found = others or unknown
        what = "which is no array of numbers" if others else "which is no name of a source"
        raise _unreadable(path, f"{found[0]!r}, {what}")
    return Saved(path, arrays)


def _unreadable(path: Path, got: str) -> ArgumentError:
    return ArgumentError(
        f"{path.name} is not a file of arrays",
        got=got,
        expected='an .npz with "y" and "output", and further sources as in "y:lengths"',
        fix=f'np.savez("{path.with_suffix(".npz").name}", y=y_true, output=y_pred)',
    )
