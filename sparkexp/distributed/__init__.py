"""One model trained by several executors: what runs in each worker's process."""
