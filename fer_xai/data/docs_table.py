"""The table of data sets for ``docs/data.md``: ``python -m fer_xai.data.docs_table PAGE``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fer_xai.command import run_command
from fer_xai.data.cards import LISTED, WHOLE, Card, card_of
from fer_xai.data.registry import DATASETS
from fer_xai.data.spec import loader_options, takes_map
from fer_xai.errors import InputError
from fer_xai.files import write_bytes

_START, _END = "<!-- data sets -->", "<!-- end -->"


def datasets_table() -> str:
    """Markdown table of the data sets that are part of the package.

    Examples
    --------
    >>> datasets_table().splitlines()[0]
    '| name | data set | layout below ROOT | splits and faces | persons | options | licence |'
    """
    head = "name | data set | layout below ROOT | splits and faces | persons | options | licence"
    rows = []
    for name, loader in DATASETS.loaded().items():
        card = card_of(name)
        if card is None or not getattr(loader, "__module__", "").startswith("fer_xai."):
            continue
        options = [f"`{option}`" for option in loader_options(name)]
        options += ["emotions of labels"] if takes_map(name) else []
        cells = (
            f"`{name}`",
            f"{card.title} ({card.source})",
            card.layout + (f"; attributes: {card.attributes}" if card.attributes else ""),
            _faces(card),
            card.persons,
            ", ".join(options),
            card.licence,
        )
        rows.append(" | ".join(cells))
    rule = "|".join(["---"] * (head.count("|") + 1))
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {row} |" for row in rows)])


def _faces(card: Card) -> str:
    """Published faces of each split, in words."""
    if not card.counts:
        return "as found"
    found: list[str] = []
    for split in (*card.splits, WHOLE):
        if split in card.counts and (split != WHOLE or not found):
            total = card.counts[split].get(LISTED) or card.total(split)
            total = total or sum(card.counts[split].values())
            found.append(f"{'' if split == WHOLE else f'{split} '}{total:,}")
    return ", ".join(found) + ("" if card.splits else "; no splits")


def with_table(page: str) -> str:
    """A page with its table made anew, between ``<!-- data sets -->`` and ``<!-- end -->``.

    Raises
    ------
    InputError
        If the page lacks these comments.

    Examples
    --------
    >>> "| `rafdb` |" in with_table("<!-- data sets --><!-- end -->")
    True
    """
    before, start, rest = page.partition(_START)
    _, end, after = rest.partition(_END)
    if not end:
        raise InputError(f"Expected {_START} … {_END} in the page, for its table of data sets.")
    return f"{before}{start}\n\n{datasets_table()}\n\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table into a page; returns the exit status.

    Examples
    --------
    >>> main(["no_page.md"])  # and one sentence about it
    2
    """
    parser = argparse.ArgumentParser(description="Table of the data sets, for the docs.")
    parser.add_argument("page", type=Path, nargs="?", default=Path("docs/data.md"))
    return run_command("fer_xai.data.docs_table", lambda: _write(parser.parse_args(arguments).page))


def _write(page: Path) -> None:
    if not page.is_file():
        raise InputError(f"Expected a Markdown page with the comments of a table, got {page}.")
    write_bytes(page, with_table(page.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    sys.exit(main())
