"""Sends code, data and files to trials, and their files to the log directory."""
