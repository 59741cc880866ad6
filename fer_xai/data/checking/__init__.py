"""A look at a copy of a data set: what is there, beside what is published."""
