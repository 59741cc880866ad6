"""The tables of ``docs/attributions.md``: ``python -m fer_xai.attributions.docs_table PAGE``."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_xai.attributions.controls import CONTROLS
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution
from fer_xai.command import run_command
from fer_xai.errors import InputError
from fer_xai.files import write_bytes

REGIONS = 8
"""Facial regions of which passes are counted."""
_CITATION = re.compile(r" \([^()]*(?:et al\.|&|arXiv)[^()]*\)")


def methods_table() -> str:
    """Markdown table of all attributions: passes for a face, meaning, properties, source.

    Examples
    --------
    >>> methods_table().splitlines()[0]
    '| name | passes | its maps | properties | source |'
    """
    from fer_xai.inference.predictor import Predictor
    from fer_xai.models import load_model

    predictor = Predictor(load_model("gimefive"), device="cpu", batch_size=1)
    rows = []
    for name, method in _named():
        forward, backward = method.passes(predictor, regions=REGIONS)
        passes = f"{forward:g} + {backward:g}" if backward else f"{forward:g}"
        cells = (f"`{name}`", passes, _meaning(method), _properties(method), method.reference)
        rows.append(" | ".join(cells))
    return _table("name | passes | its maps | properties | source", rows)


def laws_table() -> str:
    """Markdown table of the methods that promise what a map adds up to.

    Examples
    --------
    >>> print(laws_table().splitlines()[-1])
    | `kernel_shap`, `region_shapley` | score of the face − score of the filled face | 1 % |
    """
    names: dict[tuple[str, float], list[str]] = defaultdict(list)
    for name, method in _named():
        if method.law is not None:
            names[method.law, method.tolerance].append(f"`{name}`")
    rows = [f"{', '.join(of)} | {law} | {100 * off:g} %" for (law, off), of in names.items()]
    return _table("method | its map adds up to | tolerance", rows)


def controls_table() -> str:
    """Markdown table of the chance controls.

    Examples
    --------
    >>> print(controls_table().splitlines()[-1])
    | `edges` | image gradients, without a model |
    """
    rows = [
        f"`{name}` | {control.meaning}"
        for name, control in CONTROLS.loaded().items()
        if control.make.__module__.startswith("fer_xai.")
    ]
    return _table("name | its maps", rows)


TABLES = {"methods": methods_table, "laws": laws_table, "controls": controls_table}
"""Tables by the name that stands in the page's comments."""


def with_tables(page: str) -> str:
    """A page with its tables made anew, each between ``<!-- NAME -->`` and ``<!-- end -->``.

    Raises
    ------
    InputError
        If the page lacks the comments of a table.

    Examples
    --------
    >>> page = "".join(f"<!-- {name} --><!-- end -->" for name in TABLES)
    >>> "| `centre` |" in with_tables(page)
    True
    """
    for name, make in TABLES.items():
        before, start, rest = page.partition(f"<!-- {name} -->")
        _, end, after = rest.partition("<!-- end -->")
        if not end:
            raise InputError(
                f"Expected <!-- {name} --> … <!-- end --> in the page, for its table of {name}."
            )
        page = f"{before}{start}\n\n{make()}\n\n{end}{after}"
    return page


def _named() -> Iterator[tuple[str, Attribution]]:
    """The attributions that are part of the package, by name; plugins are left out."""
    for name, method in ATTRIBUTIONS.loaded().items():
        if type(method).__module__.startswith("fer_xai."):
            yield name, method


def _meaning(method: Attribution) -> str:
    """First sentence of the class's docstring, without its citation."""
    words = _CITATION.sub("", " ".join((inspect.getdoc(method) or "").split("\n\n")[0].split()))
    return words.partition(". ")[0].rstrip(".").replace("|", "\\|")


def _properties(method: Attribution) -> str:
    """What distinguishes a method: options that are not the default, fills, and its flags."""
    fields = dataclasses.fields(method)  # type: ignore[arg-type]
    options = [(field.name, getattr(method, field.name), field.default) for field in fields]
    found = [f"`{name}={value!r}`" for name, value, default in options if value != default]
    if method.fills:
        found.append(f"from {', '.join(method.fills)}")
    flags = {
        "no sign": method.nonnegative,
        "ignores the target": method.class_blind,
        "random": method.seeded,
        "over regions": method.needs_regions,
    }
    return "; ".join([*found, *(flag for flag, is_so in flags.items() if is_so)])


def _table(head: str, rows: Sequence[str]) -> str:
    rule = "|".join(["---"] * (head.count("|") + 1))
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {row} |" for row in rows)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables into a page; returns the exit status.

    Examples
    --------
    >>> main(["no_page.md"])  # and one sentence about it
    2
    """
    parser = argparse.ArgumentParser(description="Tables of the attributions, for the docs.")
    parser.add_argument("page", type=Path, nargs="?", default=Path("docs/attributions.md"))
    return run_command(
        "fer_xai.attributions.docs_table", lambda: _write(parser.parse_args(arguments).page)
    )


def _write(page: Path) -> None:
    if not page.is_file():
        raise InputError(f"Expected a Markdown page with the comments of tables, got {page}.")
    write_bytes(page, with_tables(page.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    sys.exit(main())
