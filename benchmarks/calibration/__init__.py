"""Simulations of what intervals cover and how often tests err: ``python -m benchmarks.calibration.X``."""
