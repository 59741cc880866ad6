"""Built-in faces: a parametric renderer driven by action units, so that nothing need be fetched."""

from fer_xai.data.synthetic.action_units import AUS, bayes_accuracy
from fer_xai.data.synthetic.params import FaceParams
from fer_xai.data.synthetic.render import PARTS, RenderedFaces, render
from fer_xai.data.synthetic.sampler import sample
from fer_xai.data.synthetic.styles import STYLES

__all__ = [
    "AUS",
    "PARTS",
    "STYLES",
    "FaceParams",
    "RenderedFaces",
    "bayes_accuracy",
    "render",
    "sample",
]
