"""Parts that a loss is put together from: one file a kind."""
