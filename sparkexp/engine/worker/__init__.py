"""One trial on an executor: the task, its guardian, the train function's own process."""
