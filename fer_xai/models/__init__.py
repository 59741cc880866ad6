"""Models: GiMeFive, its variants and baselines, and the wrapper for any other classifier."""

from fer_xai.models.conventions import CONVENTIONS
from fer_xai.models.fer_model import FERModel
from fer_xai.models.loading import load_model, shipped_weights
from fer_xai.models.registry import MODELS
from fer_xai.models.untrained import calibrate_batchnorm

__all__ = [
    "CONVENTIONS",
    "MODELS",
    "FERModel",
    "calibrate_batchnorm",
    "load_model",
    "shipped_weights",
]
