"""What a train function reaches while its trial runs: reports, checkpoints, artifacts."""
