"""Selective prediction: whether a classifier's errors are known beforehand, and by what."""
