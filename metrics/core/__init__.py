"""What metrics share: the registry, cached scores, pixel orders, similarities, new maps."""
