"""Groups of batches whose gradients are added up: what a batch says of its group.

A mean over k batches is `sum of sums / sum of counts`. The optimizer averages k gradients, so that
the loss of a batch is `k * sum / count of the group`, with that count known before the first of
them is trained on. It travels among the targets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.elements import Ratio, safe_divide

_FIELD = re.compile(r"group_of_(\d+)(_by_loss)?(?:/(.+))?")
COLUMNS = 3


def group_field(size: int, term: str | None = None, *, by_loss: bool = False) -> str:
    """Name the field of the targets that holds the group of a term, or of all terms."""
    return f"group_of_{size}{'_by_loss' if by_loss else ''}{f'/{term}' if term else ''}"


def group_rows(samples: int, count: float, total: float, *, real: bool) -> Any:
    """Write a group into numbers, alike for each sample, so that batches can be split.

    Returns:
        A (samples, 3) array: what the batch counts, what its group counts, and 1; 0 for a batch
        that only fills the group up.
    """
    row = np.array([count if real else 0.0, total, float(real)], "float32")
    return np.broadcast_to(row, (samples, COLUMNS))


@dataclass(frozen=True)
class Group:
    """What a batch says of its group.

    Attributes:
        size: How many batches the group has.
        by_loss: Whether the loss alone did the counting, without seeing Keras' automatic mask.
        rows: What `group_rows` made.
    """

    size: int
    by_loss: bool
    rows: Tensor

    @classmethod
    def find(cls, y: Any) -> dict[str | None, Self]:
        """Return the groups that targets tell of, by the name of the term; None: of all terms."""
        if not isinstance(y, Mapping):
            return {}
        matches = {field: _FIELD.fullmatch(str(field)) for field in y}
        return {
            match[3]: cls(int(match[1]), bool(match[2]), ops.convert_to_tensor(y[field]))
            for field, match in matches.items()
            if match
        }

    @property
    def share(self) -> Tensor:
        """What the mean of a batch is multiplied by: its part of the count, times the size."""
        count, total = (backend.all_replicas(self._column(place)) for place in (0, 1))
        return self.size * safe_divide(count, total)

    def of(self, ratio: Ratio) -> Ratio:
        """Return the ratio of a batch; that of one which only fills the group up is empty.

        A plain sum is divided by the part of the group that one batch is.
        """
        real = ops.cast(self._column(2), ratio.sum.dtype)
        if ratio.count is None:
            part = ops.ones_like(real) / (self.size * backend.replicas())
            return Ratio(ratio.sum * real, part)
        return Ratio(ratio.sum * real, ratio.count * ops.cast(real, ratio.count.dtype))

    def _column(self, place: int) -> Tensor:
        return ops.max(ops.cast(self.rows[:, place], "float32"), initial=0.0)
