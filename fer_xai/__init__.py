"""fer-xai: can the explanations of a facial-emotion-recognition model be trusted?

The names below are imported when first used, so that ``import fer_xai`` stays instant.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_xai.attributions import explain as explain
    from fer_xai.data import load_dataset as load_dataset
    from fer_xai.inference.predictor import Predictor as Predictor
    from fer_xai.models import FERModel as FERModel
    from fer_xai.models import load_model as load_model
    from fer_xai.types import Explanation as Explanation
    from fer_xai.types import Faces as Faces

__version__ = "0.1.0"

_PUBLIC = {
    "Explanation": "fer_xai.types",
    "FERModel": "fer_xai.models",
    "Faces": "fer_xai.types",
    "Predictor": "fer_xai.inference.predictor",
    "explain": "fer_xai.attributions",
    "load_dataset": "fer_xai.data",
    "load_model": "fer_xai.models",
}
__all__ = [
    "Explanation",
    "FERModel",
    "Faces",
    "Predictor",
    "explain",
    "load_dataset",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fer_xai' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def _forget_missing_backend() -> None:
    """Drop an MPLBACKEND whose module is not installed, with which matplotlib cannot be imported.

    A notebook hands its own to every script that it starts, in other environments too.
    """
    name = os.environ.get("MPLBACKEND", "")
    module = "matplotlib_inline" if name == "inline" else name.partition("module://")[2]
    if module and find_spec(module.partition(".")[0]) is None:
        del os.environ["MPLBACKEND"]


_forget_missing_backend()
