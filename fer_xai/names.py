"""Names are data: a model, method or data set may be called anything, in files and in tables."""

from __future__ import annotations

import hashlib
import re
from html import escape

LONGEST = 80
"""Characters of a slug at most: file systems allow 255 bytes, and names get endings."""
_UNSAFE = re.compile(r"[^a-z0-9._+@=-]+")
_MARKDOWN = re.compile(r"[\\`|\[\]~#]|^\*|\*(?=\S)|(?<!\w)_+|_+(?!\w)")
"""What Markdown takes for markup: no underscore within a word, and no star that opens nothing."""
_FORMULA = ("=", "+", "-", "@")
"""First characters by which a spreadsheet takes a cell for a formula."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?: ?%)?"
_NUMBERS = re.compile(
    rf"[+-]?(?:inf|infinity|nan)|{_NUMBER}(?: ?± ?{_NUMBER})?(?: ?\[{_NUMBER}, ?{_NUMBER}\])?",
    re.ASCII | re.IGNORECASE,
)
"""A number, with a percent sign, a deviation or an interval."""


def slug(name: str) -> str:
    """A name as a part of a path: lower case, of safe characters, of a limited length.

    A safe name stays as it is. One that had to be changed or shortened ends in eight characters of
    its digest, so that two names do not become one; a case that differs alone counts, since some
    file systems do not tell it apart.

    Examples
    --------
    >>> slug("gimefive@untrained0"), slug("gradcam++")
    ('gimefive@untrained0', 'gradcam++')
    >>> slug("../../../x")
    'x-0274b718'
    >>> slug("My net") == slug("my net"), len(slug("n" * 300))
    (False, 80)
    """
    safe = _UNSAFE.sub("-", name.lower()).strip(".-")
    if safe == name and 0 < len(safe) <= LONGEST:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[: LONGEST - 9].rstrip('.-')}-{digest}".lstrip("-")


def markdown_text(text: str) -> str:
    r"""A text that Markdown shows as it is, in a cell of a table too.

    Examples
    --------
    >>> print(markdown_text("a|b <script>"), markdown_text("*b* of integrated_gradients"))
    a\|b &lt;script&gt; \*b* of integrated_gradients
    """

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"\\{character}" for character in found[0])

    return _MARKDOWN.sub(escaped, escape(" ".join(text.splitlines()), quote=False))


def csv_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins like one gets an apostrophe.

    White space before it does not count. Numbers stay numbers, also with a percent sign, a
    deviation (``±``) or an interval in brackets.

    Examples
    --------
    >>> csv_text("=1+1"), csv_text("-0.5"), csv_text("gradcam++")
    ("'=1+1", '-0.5', 'gradcam++')
    >>> csv_text("-0.307 [-1.260, +0.647]")
    '-0.307 [-1.260, +0.647]'
    """
    if not (text.lstrip().startswith(_FORMULA) or text.startswith(("\t", "\r"))):
        return text
    return text if _NUMBERS.fullmatch(text.strip()) else f"'{text}"
