"""`lm.Model`: named sources, exact epoch values, saving."""
