"""Simulations of how often intervals and verdicts are right."""
