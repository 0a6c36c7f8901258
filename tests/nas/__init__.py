"""Tests of architecture spaces and of what is built from them."""
