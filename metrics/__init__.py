"""Metrics of explanations: pure functions, tensors in, one value a face (or a set) out.

Names are imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics.consistency import normalised_rows as normalised_rows
    from metrics.consistency import region_profiles as region_profiles
    from metrics.consistency import self_consistency as self_consistency
    from metrics.consistency import separability as separability
    from metrics.consistency import similarity as similarity

_PUBLIC = dict.fromkeys(
    ("normalised_rows", "region_profiles", "self_consistency", "separability", "similarity"),
    "metrics.consistency",
)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
