"""Tables of the page on metrics, made from the specs, and of fills and occluders.

``python -m metrics.core.docs_tables docs/metrics.md`` rewrites what stands between the markers
``<!-- metrics: FAMILY -->`` and ``<!-- end of metrics -->``, and, if there are such,
``<!-- fills -->`` and ``<!-- end of fills -->``, ``<!-- occluders -->`` and ``<!-- end of occluders
-->``; the rest of the page is kept.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from fer_xai.command import run_command
from fer_xai.errors import InputError
from fer_xai.files import write_bytes
from fer_xai.perturb.fills import FILLS
from fer_xai.perturb.occluders import OCCLUDERS, Occluder
from metrics.core.registry import METRICS, MetricSpec

BEGIN, END = "<!-- metrics: {} -->", "<!-- end of metrics -->"
_SECTION = re.compile(r"(<!-- metrics: (\w+) -->\n).*?(<!-- end of metrics -->)", re.DOTALL)
_OCCLUDERS = re.compile(r"(<!-- occluders -->\n).*?(<!-- end of occluders -->)", re.DOTALL)
_FILLS = re.compile(r"(<!-- fills -->\n).*?(<!-- end of fills -->)", re.DOTALL)


def table(specs: Iterable[MetricSpec]) -> str:
    """Markdown table of metrics, one row each, with the passes where they are known.

    Examples
    --------
    >>> print(table([METRICS["deletion"]]).splitlines()[0])
    | name | question | better | values | passes shared | passes each | source |
    """
    specs = list(specs)
    counted = any(spec.passes and any(spec.passes) for spec in specs)
    head = ["name", "question", "better", "values", "passes shared", "passes each", "source"]
    lines = [head, ["---"] * len(head)]
    for spec in specs:
        shared, each = ("", "") if spec.passes is None else spec.passes
        values = " to ".join(_bound(bound) for bound in spec.bounds)
        better = spec.better or "neither"
        lines.append(
            [
                f"`{spec.name}`",
                spec.question,
                better,
                values,
                str(shared),
                str(each),
                spec.reference,
            ]
        )
    kept = [k for k, name in enumerate(head) if counted or not name.startswith("passes")]
    rows = (" | ".join(line[k].replace("|", r"\|") for k in kept) for line in lines)
    return "".join(f"| {row} |\n" for row in rows)


def fills_table() -> str:
    """Markdown table of the fills that are part of the package, one row each.

    Examples
    --------
    >>> print(fills_table().splitlines()[0])
    | name | what stands in place of removed pixels | masks | random | needs regions |
    """
    lines = [
        ["name", "what stands in place of removed pixels", "masks", "random", "needs regions"],
        ["---"] * 5,
    ]
    for name, fill in FILLS.loaded().items():
        if type(fill).__module__.startswith("fer_xai."):
            facts = ["bool or soft" if fill.soft else "bool"]
            facts += ["yes" if is_so else "" for is_so in (fill.random, fill.needs_regions)]
            lines.append([f"`{name}`", fill.meaning.replace("|", r"\|"), *facts])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def occluders_table() -> str:
    """Markdown table of the occluders that are part of the package, one row each.

    Examples
    --------
    >>> print(occluders_table().splitlines()[2])
    | `eyes` | Both eyes, as ellipses about their corners | a fill | at its edge |
    """
    lines = [["name", "what hides the face", "shows", "changes its size"], ["---"] * 4]
    for name, occluder in OCCLUDERS.loaded().items():
        if type(occluder).__module__.startswith("fer_xai."):
            shows = "its own look, or a fill" if occluder.drawn else "a fill"
            scaled = type(occluder).anchor is not Occluder.anchor
            size = "as a whole" if scaled else "at its edge"
            lines.append([f"`{name}`", occluder.meaning, shows, size])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _bound(value: float) -> str:
    return {"-inf": "−∞", "inf": "∞"}.get(f"{value:.3g}", f"{value:.3g}".replace("-", "−"))


def page(text: str) -> str:
    """The text of a page with all tables made anew; metrics of other packages are left out.

    Raises
    ------
    InputError
        If a family of metrics has no section, or a section has no metrics.

    Examples
    --------
    >>> page("no markers")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected sections for the families of metrics alignment, ...
    """
    families: dict[str, list[MetricSpec]] = {}
    for spec in METRICS.loaded().values():
        if spec.fn.__module__.startswith("metrics."):
            families.setdefault(spec.family, []).append(spec)
    found = [match[2] for match in _SECTION.finditer(text)]
    if missing := sorted(families.keys() - set(found)):
        raise InputError(
            f"Expected sections for the families of metrics {', '.join(missing)}, got none: add "
            f"{BEGIN.format(missing[0])} and {END} to the page."
        )
    if empty := sorted(set(found) - families.keys()):
        raise InputError(
            f"Expected families of metrics as sections, got {', '.join(empty)}: remove them from "
            "the page."
        )
    text = _OCCLUDERS.sub(lambda match: match[1] + occluders_table() + match[2], text)
    text = _FILLS.sub(lambda match: match[1] + fills_table() + match[2], text)
    return _SECTION.sub(lambda match: match[1] + table(families[match[2]]) + match[3], text)


def main(arguments: Sequence[str]) -> None:
    """Rewrite the tables of the page that is named on the command line.

    Raises
    ------
    InputError
        If there is not exactly one path, or no such file.

    Examples
    --------
    >>> main(["no/such/page.md"])
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the path of one page, such as docs/metrics.md, got ...
    """
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        raise InputError(
            f"Expected the path of one page, such as docs/metrics.md, got {list(arguments)}."
        )
    path = Path(arguments[0])
    write_bytes(path, page(path.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    sys.exit(run_command("metrics.core.docs_tables", lambda: main(sys.argv[1:])))
