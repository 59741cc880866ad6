"""Studies: one file a question; ``python -m studies.run --list``."""
