"""The demos and the command line."""
