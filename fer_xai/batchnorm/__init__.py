"""Layers that keep running statistics: found, recalibrated, and taken out of their processes."""
