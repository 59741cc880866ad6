"""Are labels right, and are test faces unseen? Copies, conflicts and leaks of data sets."""
