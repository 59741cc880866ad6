from pathlib import Path

from metrics.spec import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_every_metric_stands_on_the_page():
    text = PAGE.read_text()
    assert not [name for name in METRICS if f"`{name}`" not in text]
