"""Code that is identified by its name: our packages, the libraries below them, and Python's own."""

from __future__ import annotations

import functools
import sys
import sysconfig
from pathlib import Path
from typing import Any

OURS = frozenset(("fer_xai", "metrics", "studies", "training"))
PEERS = frozenset(("einops", "numpy", "scipy", "timm", "torch", "torchvision"))
LIBRARIES = OURS | PEERS | frozenset(("builtins", "functools", "math", "operator"))
"""Packages whose functions and classes are identified by name: a manifest records their versions,
and the commit of this one."""


def of_library(value: Any) -> bool:
    """Whether a class or function is a library's, or the class of such a value.

    Examples
    --------
    >>> import numpy as np
    >>> of_library(np.mean), of_library(3)
    (True, True)
    """
    return of_library_module(str(getattr(value, "__module__", "") or "builtins"))


@functools.cache
def of_library_module(name: str) -> bool:
    """Whether a Python module is one of the libraries, or of Python's own.

    Examples
    --------
    >>> of_library_module("torch.nn"), of_library_module("json"), of_library_module("mine")
    (True, True, False)
    """
    top = name.partition(".")[0]
    if top in LIBRARIES:
        return True
    if top not in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(top), "__file__", None)  # the user's may have such a name
    place = Path(sysconfig.get_path("stdlib"))
    return file is None or (place in Path(file).parents and "site-packages" not in file)


def base_name(value: Any) -> str:
    """Name of the library's class that a value is of.

    Examples
    --------
    >>> from torch import nn
    >>> own = type("Own", (nn.Conv2d,), {"__module__": "mine"})
    >>> base_name(own(3, 4, 1))
    'Conv2d'
    """
    return next(kind.__name__ for kind in type(value).__mro__ if of_library(kind))


def qualified_name(value: Any) -> str:
    """Name of a class or function: for those of our packages without the path of their module.

    So a file that moves inside a package renames no run.

    >>> from fer_xai.types import Faces
    >>> from torch import nn
    >>> qualified_name(Faces), qualified_name(nn.ReLU)
    ('fer_xai.Faces', 'torch.nn.modules.activation.ReLU')
    """
    module = str(getattr(value, "__module__", "") or "")
    if module.partition(".")[0] in OURS:
        module = module.partition(".")[0]
    parts = (module, getattr(value, "__qualname__", value.__name__))
    return ".".join(str(part) for part in parts if part)
