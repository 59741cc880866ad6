"""fer-xai: can the explanations of a facial-emotion-recognition model be trusted?

The public names stand in ``__init__.pyi`` and are imported when first used, so that
``import fer_xai`` stays instant.
"""

import os
from importlib.util import find_spec

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def _forget_missing_backend() -> None:
    """Drop an MPLBACKEND whose module is not installed, with which matplotlib cannot be imported.

    A notebook hands its own to every script that it starts, in other environments too.
    """
    name = os.environ.get("MPLBACKEND", "")
    module = "matplotlib_inline" if name == "inline" else name.partition("module://")[2]
    if module and find_spec(module.partition(".")[0]) is None:
        del os.environ["MPLBACKEND"]


_forget_missing_backend()
