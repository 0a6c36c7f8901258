"""Searchers of architectures, which search any other space as well."""
