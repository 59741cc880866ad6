"""The tables of the page on metrics are made from the specs."""

from pathlib import Path

import pytest

import metrics
from fer_xai.errors import InputError
from fer_xai.perturb.fills import FILLS
from metrics.core.docs_tables import fills_table, main, page, table
from metrics.core.registry import METRICS, MetricSpec

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_is_current():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m metrics.core.docs_tables docs/metrics.md"


def test_a_new_metric_stands_in_its_table_and_what_is_written_by_hand_stays(tmp_path, monkeypatch):
    own = MetricSpec(
        name="own",
        fn=metrics.gini,
        family="complexity",
        question="Is a|b?",
        higher_is_better=None,
        bounds=(-float("inf"), 0.25),
        needs=("maps",),
        reference="none",
    )
    monkeypatch.setattr(METRICS, "_entries", {**METRICS._entries, "own": own})
    monkeypatch.setattr(METRICS, "_registered_by", {**METRICS._registered_by, "own": "metrics.own"})
    path = tmp_path / "page.md"
    path.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    main([str(path)])
    before, after = (p.read_text(encoding="utf-8").splitlines() for p in (PAGE, path))
    (new,) = [line for line in after if line not in before]
    assert new == r"| `own` | Is a\|b? | neither | −∞ to 0.25 | none |"
    assert [line for line in after if line != new] == before


def test_a_family_needs_a_section_and_a_section_a_family():
    text = PAGE.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="Expected sections for the families of metrics complexit"):
        page(text.replace("<!-- metrics: complexity -->", ""))
    with pytest.raises(InputError, match="Expected families of metrics as sections, got games"):
        page(f"{text}\n<!-- metrics: games -->\n<!-- end of metrics -->\n")
    with pytest.raises(InputError, match="Expected the path of one page, such as docs/metrics.md"):
        main([])


def test_every_fill_stands_in_the_table():
    rows = fills_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(FILLS)
    assert (
        "| `linear` | Each removed pixel becomes a weighted mean of its neighbours, with noise (ROAD) | bool | yes |  |"
        in rows
    )
    assert "| `skin` | The face's own skin, without features | bool or soft |  | yes |" in rows
    assert "| `black` | Brightness 0 everywhere | bool or soft |  |  |" in rows


def test_passes_stand_in_tables_of_metrics_that_count_some():
    assert "passes" in table([METRICS["gini"], METRICS["deletion"]])
    assert "passes" not in table([METRICS["gini"], METRICS["mprt"]])
