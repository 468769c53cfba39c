"""Where the values of a training go at the end of an epoch: `lm.sinks`."""

from lossmith.look.sinks._json_lines import JsonLines
from lossmith.look.sinks._sink import Sink
from lossmith.look.sinks._table import Table
from lossmith.look.sinks._tensorboard import TensorBoard

__all__ = ["JsonLines", "Sink", "Table", "TensorBoard"]
