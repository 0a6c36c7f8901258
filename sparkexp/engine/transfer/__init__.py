"""Code, data and files on their way between the driver and its trials."""
