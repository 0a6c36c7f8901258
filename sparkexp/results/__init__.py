"""What a search returns: its trials, the best of them, tables, plots and a page."""
