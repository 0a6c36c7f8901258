"""Metadata and tools live in pyproject.toml."""

from setuptools import setup

setup()
