"""Is a model wired as it is declared? Checks of its outputs, its input and its network."""
