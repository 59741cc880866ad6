"""Calibration: how often intervals cover and tests err, by simulation."""
