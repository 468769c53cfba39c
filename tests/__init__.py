"""The tests of lossmith; the same suite runs once per backend, in a process each."""
