"""The values inside a loss: line by line, and while it trains."""
