"""Metrics of explanations: pure functions, tensors in, one value a face (or a set) out.

The public names stand in ``__init__.pyi`` and are imported when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
