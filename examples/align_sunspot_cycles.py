"""Two cycles of the sun, one faster than the other, aligned by soft-DTW.

The yearly numbers of sunspots come with `statsmodels`. Cycle 4 took fourteen years, from 1784 to
1798, cycle 3 nine, from 1775 to 1784. The alignment says which year is like which.

    KERAS_BACKEND=jax python examples/align_sunspot_cycles.py [--draw FILE.png]
"""

import argparse

import keras
import numpy as np
from statsmodels.datasets import sunspots

import lossmith as lm

SLOW, FAST = (1784, 1798), (1775, 1784)


def cycle(first: int, last: int) -> np.ndarray:
    """Return the numbers of a cycle as shares of its largest."""
    data = sunspots.load_pandas().data.set_index("YEAR")["SUNACTIVITY"]
    numbers = data.loc[first:last].to_numpy()
    return numbers / numbers.max()


def main(gamma: float = 0.01, picture: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Align the cycles; return how likely each pair of years is aligned, and the best pairs."""
    slow, fast = cycle(*SLOW), cycle(*FAST)
    cost = np.square(slow[:, None] - fast)
    alignment = lm.ops.soft_dtw_alignment(cost[None], gamma=gamma)[0]
    alignment, path = keras.ops.convert_to_numpy(alignment), lm.ops.dtw_path(cost)
    for i, j in path:
        print(f"{SLOW[0] + i} is like {FAST[0] + j}  ({slow[i]:.2f}, {fast[j]:.2f})")
    if picture:
        draw(alignment, path, picture)
    return alignment, path


def draw(alignment: np.ndarray, path: np.ndarray, picture: str) -> None:
    """Draw the soft alignment in grey, and the best path on it."""
    from matplotlib.figure import Figure

    axes = Figure(figsize=(5, 6), layout="constrained").subplots()
    edges = [FAST[0] - 0.5, FAST[1] + 0.5, SLOW[0] - 0.5, SLOW[1] + 0.5]
    axes.imshow(alignment, cmap="Greys", origin="lower", extent=edges)
    axes.plot(FAST[0] + path[:, 1], SLOW[0] + path[:, 0], "o-", color="tab:red")
    axes.set(xlabel="year of the fast cycle", ylabel="year of the slow cycle")
    axes.get_figure().savefig(picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", metavar="FILE.png", help="draw the alignment there")
    main(picture=parser.parse_args().draw)
