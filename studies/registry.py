"""The studies by name, with their questions: listing them imports nothing heavy."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from fer_xai.registry import Registry

FOLDER = Path(__file__).parent / "questions"
_FIRST = (
    "gradcam_consistency",
    "attribution_agreement",
    "faithfulness",
    "sanity_checks",
    "meta_evaluation",
    "audit",
    "planted_regions",
    "paper_table",
    "ablation",
)
"""Studies that are listed first, in this order; others follow by name."""


@runtime_checkable
class _Study(Protocol):
    def run(self) -> Any: ...


def _modules() -> dict[str, str]:
    """Module of each study: a file of ``questions/``, or ``study.py`` in a folder of it."""
    found = {
        (path.parent.name if path.stem == "study" else path.stem): path
        for path in [*FOLDER.glob("[!_]*.py"), *FOLDER.glob("*/study.py")]
    }
    names = [*(name for name in _FIRST if name in found), *sorted(found.keys() - set(_FIRST))]
    return {
        name: ".".join(("studies", *found[name].relative_to(FOLDER.parent).with_suffix("").parts))
        for name in names
    }


_MODULES = _modules()
STUDIES: Registry[Any] = Registry(
    "study",
    _MODULES,
    holds=_Study,
    wanted="a dataclass with a method `run`",
    remedy="see studies/questions for some",
)


@cache
def question(name: str) -> str:
    """Question that a built-in study asks, in its file's first line, read without an import.

    Examples
    --------
    >>> question("faithfulness")
    'Do attributions show what the model uses?'
    """
    if name not in _MODULES:
        return ""
    path = FOLDER.parent.joinpath(*_MODULES[name].split(".")[1:]).with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())
