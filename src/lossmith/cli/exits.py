"""What the commands exit with."""

FOUND = 1
"""Something is wrong with what was looked at: a finding, a broken check."""

UNABLE = 2
"""What the user gave cannot be used; click exits with the same."""
