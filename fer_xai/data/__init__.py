"""Datasets as tables: each is one file that indexes a folder; pixels are read when needed."""

from fer_xai.data.loading import load_dataset
from fer_xai.data.registry import DATASETS

__all__ = ["DATASETS", "load_dataset"]
