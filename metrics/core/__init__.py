"""Parts that metrics share: registry, cached scores, pixel orders, similarities, new maps."""
