"""Every part against the evidence that it carries itself."""
