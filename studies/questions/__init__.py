"""The questions: one study each, found by the folder; none imports another."""
