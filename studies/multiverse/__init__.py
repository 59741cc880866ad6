"""Multiverse runs: one claim under the other choices that could have been made as well."""
