"""TensorBoard: event files, hyperparameters and the server, without TensorFlow."""
