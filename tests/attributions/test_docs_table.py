from pathlib import Path

import pytest

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.attributions.docs_table import TABLES, main, with_tables
from fer_xai.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "attributions.md"


def test_the_tables_of_the_page_are_those_of_the_registries():
    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run `make docs`"


def test_every_name_has_a_row():
    page = TABLES["methods"]() + TABLES["controls"]()
    for name in (*ATTRIBUTIONS, *CONTROLS):
        assert page.count(f"\n| `{name}` |") == 1
    assert TABLES["laws"]().count("`region_shapley`") == 1


@pytest.mark.parametrize("page", ["", "<!-- methods -->", "<!-- methods --><!-- end -->"])
def test_a_page_without_the_comments_is_refused(page, tmp_path, capsys):
    with pytest.raises(InputError, match=r"Expected <!-- \w+ --> … <!-- end --> in the page"):
        with_tables(page)
    file = tmp_path / "page.md"
    file.write_text(page)
    assert main([str(file)]) == 2
    assert file.read_text() == page
    assert capsys.readouterr().err.count("\n") == 1
