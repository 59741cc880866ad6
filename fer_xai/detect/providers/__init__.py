"""Landmark providers, one a file."""
