"""Face detectors, one a file."""
