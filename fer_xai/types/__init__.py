"""The two nouns every study is made of: faces, and explanations of what a model sees in them."""

from fer_xai.types.batch import Batch
from fer_xai.types.explanation import LARGEST_GAP, Explanation, undefined_maps
from fer_xai.types.faces import Faces
from fer_xai.types.reading import Sliced
from fer_xai.types.tables import COLUMNS

__all__ = ["COLUMNS", "LARGEST_GAP", "Batch", "Explanation", "Faces", "Sliced", "undefined_maps"]
