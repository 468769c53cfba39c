"""Matching by name in plain NumPy."""

from collections.abc import Mapping, Sequence

import numpy as np

Array = np.ndarray


def placed(x: Array, own: Sequence[str], axes: Sequence[str], sizes: Mapping[str, int]) -> Array:
    """`x` in float64 with the axes in another order, repeated along those it lacks."""
    present = [name for name in axes if name in own]
    x = np.asarray(x, "float64").transpose([list(own).index(name) for name in present])
    lacking = [place for place, name in enumerate(axes) if name not in own]
    return np.broadcast_to(np.expand_dims(x, lacking), [sizes[name] for name in axes])


def sizes_of(arrays: Sequence[Array], axes: Sequence[Sequence[str]]) -> dict[str, int]:
    """The length of each name."""
    return {
        name: size
        for x, names in zip(arrays, axes, strict=True)
        for name, size in zip(names, x.shape, strict=True)
    }
