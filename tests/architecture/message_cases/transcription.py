"""The places that raise in the transducer loss, in decoding and in error rates."""

from collections.abc import Callable

import numpy as np

import lossmith as lm


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


def rate(labels, written, **weights):
    lm.metrics.LabelErrorRate().update_state(labels, written, **weights)


CASES: dict[str, Callable[[], object]] = {
    "transducer-without-a-start": lambda: lm.Transducer()([[1, 2]], zeros(1, 3, 2, 4)),
    "decode-one-sample": lambda: lm.decode.ctc_greedy(zeros(4, 3)),
    "decode-no-beam": lambda: lm.decode.ctc_beam(zeros(1, 4, 3), width=0),
    "error-rate-one-hot": lambda: rate(zeros(2, 3, 4), zeros(2, 5, 4)),
    "error-rate-weights-of-steps": lambda: rate([[1, 2]], [[1, 2]], sample_weight=zeros(1, 2)),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {}

NOT_RAISED: dict[str, str] = {}
