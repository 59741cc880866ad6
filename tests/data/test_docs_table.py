from pathlib import Path

import pytest

from fer_xai.data.docs_table import main, with_table
from fer_xai.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_page_has_the_table_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text, "run python -m fer_xai.data.docs_table docs/data.md"


def test_a_page_without_the_comments_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected <!-- data sets --> … <!-- end --> in the page"):
        with_table("# Data")
    assert main([str(tmp_path / "no.md")]) == 2
