"""The checks, one file a hazard family; each file here is loaded by itself."""
