"""Models: GiMeFive, its variants and baselines, and the wrapper for any other classifier."""

from fer_xai.models.untrained import calibrate_batchnorm
from fer_xai.models.wrapper import FERModel
from fer_xai.models.zoo import MODELS, load_model, shipped_weights

__all__ = ["MODELS", "FERModel", "calibrate_batchnorm", "load_model", "shipped_weights"]
