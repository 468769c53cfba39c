"""Where plain Keras is silently wrong, measured, and what lossmith gives instead."""
