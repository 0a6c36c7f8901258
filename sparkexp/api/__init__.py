"""The calls of the users, one per module; they are imported from `sparkexp.experiment`."""
