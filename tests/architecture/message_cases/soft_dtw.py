"""The places that raise in soft-DTW and DILATE."""

from collections.abc import Callable

import lossmith as lm
from tests.architecture.message_cases.build import zeros

CASES: dict[str, Callable[[], object]] = {
    "soft-dtw-gamma": lambda: lm.SoftDTW(gamma=0.0),
    "soft-dtw-bandwidth": lambda: lm.SoftDTW(bandwidth=0),
    "soft-dtw-cost-unknown": lambda: lm.SoftDTW(cost="sqared"),
    "soft-dtw-cost-of-a-grid": lambda: lm.SoftDTW("b t s", of="output"),
    "soft-dtw-divergence-of-a-grid": lambda: lm.SoftDTW(
        "b t s", of="output", cost=None, divergence=True
    ),
    "soft-dtw-features": lambda: lm.SoftDTW()(zeros(2, 3, 4), zeros(2, 5, 3)),
    "soft-dtw-not-a-grid": lambda: lm.ops.soft_dtw(zeros(3, 4)),
    "soft-dtw-penalty-shape": lambda: lm.ops.soft_dtw_penalty(zeros(2, 3, 4), zeros(3, 4)),
    "soft-dtw-path-not-a-grid": lambda: lm.ops.dtw_path(zeros(2, 3, 4)),
    "dilate-alpha": lambda: lm.DILATE(alpha=2.0),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {}

NOT_RAISED: dict[str, str] = {}
