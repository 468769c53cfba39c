"""What Keras gives for each fault, by running it. The tests and `docs/faults.md` share it.

`python -m pytest tests/faults` says which row no longer holds on the installed Keras.
"""

from dataclasses import dataclass

import keras
import numpy as np

KERAS = "3.15"
"""The version the numbers come from."""


@dataclass(frozen=True)
class Fault:
    """One fault of plain Keras.

    Attributes:
        title: What happens, as a heading.
        right: The value by hand.
        wrong: The value that Keras gives, on every backend; None where it is no number.
    """

    title: str
    right: float
    wrong: float | None


FAULTS = {
    "F1": Fault("Shapes that broadcast", 0.0, 2.5),
    "F2": Fault("A loss that returns one number, with sample weights", 0.25, 1.875),
    "F3": Fault("A loss that returns one number, with a mask", 1.0, 5000.5),
    "F4": Fault("A loss per sample, with a mask over steps", 1.0, 3334.0),
    "F5": Fault("Weights per sample, with errors per step", 1 / 3, 14 / 9),
    "F6": Fault("NaN where nothing counts", 1.0, float("nan")),
    "F7": Fault("Arithmetic that drops the mask", 81.0, 281 / 3),
    "F8": Fault("Padding that dilutes the mean", np.log(5.0), np.log(5.0) / 2),
    "F9": Fault("Accumulation over batches with different numbers of steps", 1.04, 1.05),
    "F10": Fault("Replicas with different numbers of steps", 6.0, 8.5),
    "F11": Fault("An epoch value that depends on the batch size", 6.0, 8.5),
    "F12": Fault("Two losses on one output", 6.0, 4.0),
    "F16": Fault("A function that saves and does not load", 4.0, None),
    "F17": Fault("Labels that pass through floats", 16777217.0, 16777216.0),
    "F18": Fault("CTC with a mask over frames", np.log(3.0), np.log(4.5)),
    "class weights": Fault("Class weights of sequences", 30.25 * np.log(3.0), 10 * np.log(3.0)),
    "where": Fault("One where, after the fact", 6.0, float("nan")),
    "nothing counted": Fault("A batch without a step that counts", 0.0, float("nan")),
    "half precision": Fault("Squares in half precision", 90000.0, float("inf")),
}


def keras_still_gives(fault: str, value: object) -> None:
    """Hold Keras to the number on the page, or say that it has changed."""
    found = float(keras.ops.convert_to_numpy(value))
    row = FAULTS[fault]
    assert row.wrong is not None
    assert not np.isclose(found, row.right, rtol=1e-9, atol=1e-6), (
        f"Keras {keras.__version__} has mended {fault} ({row.title}): it gives {found}. "
        "Say so in docs/faults.md; the test of ours stays."
    )
    assert np.isclose(found, row.wrong, rtol=1e-5, equal_nan=True), (
        f"Keras {keras.__version__} gives {found} for {fault}, and no longer {row.wrong} as "
        f"{KERAS} did. Write the new number into measured.py and docs/faults.md."
    )
