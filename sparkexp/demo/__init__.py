"""The demonstration that ``sparkexp demo`` runs: small CNNs on real images."""
