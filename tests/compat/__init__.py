"""Runs sparkexp with each version of what it needs: `make compat`."""
