"""The base of losses over paths: inputs and outputs of different length, of one sample each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from lossmith.core.axes import Tensor
from lossmith.core.elements import Elements
from lossmith.core.kinds import Mask
from lossmith.core.notation import Axes, parse_axes
from lossmith.core.part import snake_case
from lossmith.core.paths.pipeline import PathPipeline
from lossmith.core.reduce import parse_reduce
from lossmith.core.sources import Sources, check_source
from lossmith.losses._single import Single, checked_dtype
from lossmith.messages import ArgumentError, NotationError, listed


class PathLoss(Single[PathPipeline]):
    """A loss of sequences whose positions are not paired: one number a sample.

    A subclass says which `LAYOUTS` its axes may have and computes `losses`. From here it has
    lengths, masks, weights of samples, reductions and saving.

    Args:
        axes: The axes of each input, in either order: the one with the consumed axis in `[ ]` is
            the prediction. None: the first of `LAYOUTS`.
        of: Where the inputs come from, the prediction last.
        lengths: How long each sequence is, by its axis: a source of lengths (batch,), or a part of
            `lm.masks` over that axis. An axis without an entry counts whole. Keras' automatic
            mask of the prediction holds for its second axis besides.
        reduce: As for `lm.Loss`. `"mean"` is over samples; `"mean s, mean b"` divides each sample
            by its length along `s` first; `"mean b s"` divides the total by all these lengths.
        name: The name of the loss; None: that of its class.
        dtype: What to compute in, `"float32"` or `"float64"`; None: the prediction's dtype, and
            at least float32.
    """

    LAYOUTS: ClassVar[tuple[str, ...]]

    def __init__(  # noqa: PLR0913
        self,
        axes: str | None = None,
        *,
        of: Sequence[str] = ("y", "output"),
        lengths: Mapping[str, Any] | None = None,
        reduce: str = "mean",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name or snake_case(type(self).__name__), dtype=checked_dtype(dtype))
        sources = (of,) if isinstance(of, str) else tuple(of)
        self.pipeline = PathPipeline(
            axes=self._layout(axes or self.LAYOUTS[0]),
            of=tuple(check_source(source) for source in sources),
            lengths=dict(lengths or {}),
            reduce=parse_reduce(reduce),
            dtype=dtype,
            losses=self.losses,
        )
        _check(self.pipeline)

    def elements(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Elements:
        """Return the loss of each sample, with weights."""
        return self.pipeline.samples(Sources(y_true, y_pred, sample_weight=sample_weight))

    def losses(
        self, inputs: Sequence[Tensor], lengths: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss of each sample, (batch,), and which samples count; None: all.

        Args:
            inputs: The tensors in the order of `of`: the batch first, then path axes as they are
                written, then consumed axes. Integers as they are, the rest in the loss's dtype.
            lengths: (batch,) integers within the arrays, for each path axis, the target's first.
                What stands behind a length may be anything, and may not matter.
        """
        raise NotImplementedError

    def _layout(self, axes: str) -> Axes:
        """Read the axes, and put the prediction last."""
        parsed = _features_consumed(parse_axes(axes))
        inputs = tuple(sorted(parsed.inputs, key=lambda tensor: len(tensor.consumed)))
        found = Axes(inputs, parsed.result)
        plain = all(tensor.names == tensor.items for tensor in inputs) and parsed.result is None
        if not plain or all(_pattern(found) != _pattern(parse_axes(x)) for x in self.LAYOUTS):
            raise NotationError(
                f"{type(self).__name__} takes other axes",
                got=repr(axes),
                expected=f"{' or '.join(map(repr, self.LAYOUTS))}, by any names",
                fix=f"write axes={self.LAYOUTS[0]!r}: brackets around what is scored at once",
            )
        return found

    def _arguments(self) -> dict[str, Any]:
        p = self.pipeline
        return {
            "axes": str(p.axes),
            "of": p.of,
            "lengths": p.lengths,
            "reduce": p.reduce.text,
            "name": self.name,
            "dtype": p.dtype,
        }

    def __repr__(self) -> str:
        """Write it as it can be typed."""
        return self._typed(lengths={}, name=snake_case(type(self).__name__))


def _features_consumed(axes: Axes) -> Axes:
    """Read `"b t f, b s f"` as `"b t [f], b s [f]"`.

    Without brackets, one axis that both inputs have besides the batch is the features, where each
    has another of its own.
    """
    if axes.consumed or len(axes.inputs) != 2:  # noqa: PLR2004
        return axes
    one, two = (set(tensor.names) for tensor in axes.inputs)
    shared = one & two - {axes.inputs[-1].names[0]}
    if len(shared) != 1 or one <= two or two <= one:
        return axes
    inputs = (replace(tensor, consumed=tuple(shared)) for tensor in axes.inputs)
    return replace(axes, inputs=tuple(inputs))


def _pattern(axes: Axes) -> Counter[Any]:
    """Return which inputs have each name, and whether it is consumed: axes apart from spelling."""
    return Counter(
        (tuple(name in tensor.names for tensor in axes.inputs), name in axes.consumed)
        for name in axes.names
    )


def _check(pipeline: PathPipeline) -> None:
    """Hold the arguments to each other, as far as that needs no tensor."""
    if len(set(pipeline.of)) != len(pipeline.axes.inputs):
        raise ArgumentError(
            "the axes are for another number of tensors",
            got=f"of={pipeline.of!r} with axes {str(pipeline.axes)!r}",
            expected=f"{len(pipeline.axes.inputs)} different sources, the prediction last",
            fix='write of=("y", "output")',
        )
    paths = pipeline.paths
    unknown = [name for name in pipeline.lengths if name not in paths]
    unknown += [name for name in pipeline.reduce.names if name not in (pipeline.batch, *paths)]
    if unknown:
        raise NotationError(
            f"{unknown[0]!r} is not an axis of the two sequences",
            got=f"lengths={dict(pipeline.lengths)!r} and reduce={pipeline.reduce.text!r} with axes "
            f"{str(pipeline.axes)!r}",
            expected=f"lengths along {listed(paths)}, and reductions over these and "
            f"{pipeline.batch}",
            fix=f'write lengths={{"{paths[0]}": "y:lengths"}}, and reduce="mean {paths[0]}, '
            f'mean {pipeline.batch}"',
        )
    for axis, given in pipeline.lengths.items():
        if isinstance(given, str):
            check_source(given)
        elif not isinstance(given, Mask):
            raise ArgumentError(
                f"lengths of {axis!r} come from a source or a mask",
                got=repr(given),
                expected="the name of a source, or a part of lm.masks",
                fix=f'give the numbers with the targets, as in y={{"y": ..., "lengths": ...}}, and '
                f'write lengths={{"{axis}": "y:lengths"}}',
            )
