"""The places that raise in CTC, and in what all losses over paths share."""

from collections.abc import Callable

import lossmith as lm
from tests.architecture.message_cases.build import zeros


def with_length(length, *, label=1):
    loss = lm.CTC(lengths={"s": "y:lengths"})
    return loss({"y": [[label]], "lengths": [length]}, zeros(1, 4, 3))


CASES: dict[str, Callable[[], object]] = {
    "path-other-axes": lambda: lm.CTC("b s, b t"),
    "path-one-source": lambda: lm.CTC(of="output"),
    "path-unknown-axis": lambda: lm.CTC(reduce="mean q, mean b"),
    "path-lengths-as-numbers": lambda: lm.CTC(lengths={"s": [3, 2]}),
    "path-length-beyond-the-axis": lambda: with_length(2),
    "ctc-label-is-the-blank": lambda: with_length(1, label=0),
    "ctc-label-is-no-class": lambda: with_length(1, label=3),
    "ctc-blank-is-no-class": lambda: lm.CTC(blank=3)([[1]], zeros(1, 4, 3)),
    "ctc-not-log-probabilities": lambda: lm.CTC(from_logits=False)([[1]], zeros(1, 4, 3)),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {}

NOT_RAISED: dict[str, str] = {}
