"""Terms of a batch whose gradients are added up with those of the other batches of its group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.groups import Group
from lossmith.core.sources import Sources
from lossmith.messages import ArgumentError, listed

if TYPE_CHECKING:
    from lossmith.losses._objective import NamedRatio


def in_group(
    term: NamedRatio, pipeline: Any, groups: Mapping[str | None, Group], sources: Sources
) -> NamedRatio:
    """Return a term whose gradients, averaged over its group, are those of the whole group.

    Args:
        term: The term of one batch.
        pipeline: What computed it.
        groups: The groups that the targets tell of.
        sources: The tensors of the batch.

    Raises:
        ArgumentError: If the targets do not tell of this term, if it was counted without Keras'
            automatic mask, or if it divides over the batch before its end.
    """
    if pipeline.of[-1].startswith("weights:"):
        return term  # it is the same for each batch
    group = groups.get(term.name, groups.get(None))
    if group is None:
        raise ArgumentError(
            "nothing says what the batches of a group count for this term",
            got=f"groups of {listed(groups)}",
            expected=f"one of {term.name!r} too",
            fix="give lm.data.accumulation_groups the whole loss, or one function for all terms",
            at=(term.name,),
        )
    if group.by_loss and _masked(sources):
        raise ArgumentError(
            "Keras' automatic mask was not seen when the batches of the group were counted",
            got="a model whose layers make a mask, and batches counted by the loss alone",
            expected="a count of the positions that Keras' mask leaves",
            fix="give a function: lm.data.accumulation_groups(dataset, "
            f"{group.size}, lambda x, y, sample_weight: np.sum(x != 0))",
            at=(term.name,),
        )
    _check_reduction(pipeline, term.name)
    ratio = group.of(term.ratio)
    share = 1.0 if term.ratio.count is None else ops.cast(group.share, ratio.sum.dtype)
    metrics = {name: group.of(measured) for name, measured in term.metrics.items()}
    return replace(term, ratio=ratio, share=share, metrics=metrics)


def _masked(sources: Sources) -> bool:
    heads = [head.hidden for head in (sources.head or {}).values()]
    tensors = keras.tree.flatten([sources.output, dict(sources.layer or {}), heads])
    return any(backend.keras_mask(x) is not None for x in tensors if x is not None)


def _check_reduction(pipeline: Any, name: str) -> None:
    """Refuse a mean over the samples of a batch that is divided before the last step."""
    if pipeline.axes is None:
        return
    batch = pipeline.axes.inputs[-1].items[0]
    for step in pipeline.reduce.steps[:-1]:
        if batch in step.axes and step.word != "sum":
            raise ArgumentError(
                "a mean over samples that is not the last step has no count of its group",
                got=f"reduce={pipeline.reduce.text!r}, whose {step.word!r} takes {batch!r} first",
                expected=f"{batch!r} in the last step",
                fix=f'write reduce="mean ..., mean {batch}"',
                at=(name,),
            )
