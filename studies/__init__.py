"""One question each: ``python -m studies.run --list``, and ``audit`` for a model of your own.

The public names stand in ``__init__.pyi`` and are imported when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
