"""`lm.check`: properties that any loss is held to."""

from lossmith.checks.promise import Promises, promises
from lossmith.checks.report import CheckFailed, Report, Result, Status
from lossmith.checks.runner import check, fingerprint

__all__ = [
    "CheckFailed",
    "Promises",
    "Report",
    "Result",
    "Status",
    "check",
    "fingerprint",
    "promises",
]
