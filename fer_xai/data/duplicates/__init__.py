"""Copies of faces: identical files, identical pixels, and near-copies of one photograph."""

from fer_xai.data.duplicates.near import DETAIL, LIKE, copies_of, near_copies, near_pairs

__all__ = ["DETAIL", "LIKE", "copies_of", "near_copies", "near_pairs"]
