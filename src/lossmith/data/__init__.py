"""Batches before they are trained on: groups, padding and buckets. Public as `lm.data`."""

from lossmith.data._buckets import Buckets
from lossmith.data._groups import accumulation_groups
from lossmith.data._padding import pad_to_multiple
from lossmith.data._streams import bucket_by_length

__all__ = ["Buckets", "accumulation_groups", "bucket_by_length", "pad_to_multiple"]
