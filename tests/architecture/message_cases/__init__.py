"""One case for every place that raises: the id it has in the golden file, and how to get there.

Add a line to the `CASES` of a pillar (or a function, where one expression is not enough), then
write the golden file anew and read the diff as a user would read the message:

    pytest tests/architecture/test_messages.py --update-golden
"""

from importlib import import_module
from pkgutil import iter_modules

PILLARS = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]

CASES = {name: case for pillar in PILLARS for name, case in pillar.CASES.items()}
"""Id -> what raises. The message must be the same on all backends."""

ONE_BACKEND = {name: why for pillar in PILLARS for name, why in pillar.ONE_BACKEND.items()}
"""Id -> (backend, reason), for a case that can only be raised on one backend."""

NOT_RAISED = {place: why for pillar in PILLARS for place, why in pillar.NOT_RAISED.items()}
"""`file::function` -> reason, for a place that no case can reach on every backend."""
