"""MLflow: a run for the search, and a nested run for each of its trials."""

from sparkexp.tracking.mlflow.tracker import MLflow, send_later

__all__ = ["MLflow", "send_later"]
