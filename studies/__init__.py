"""One file a question: ``python -m studies.run --list``, and ``audit`` for a model of your own."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.questions.audit.api import Audit as Audit
    from studies.questions.audit.api import audit as audit

_PUBLIC = {"Audit": "studies.questions.audit.api", "audit": "studies.questions.audit.api"}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'studies' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
