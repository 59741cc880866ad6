"""The examples of "Data from anywhere in one line" run as they stand."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "data.md"


def test_data_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = PAGE.read_text(encoding="utf-8").partition("## Data from anywhere in one line")[2]
    blocks = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], flags=re.DOTALL)
    assert len(blocks) == 3
    names = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["faces"].emotions == ("happiness", "fear")
    assert set(names["frame"]["metric"]) == {"deletion", "gini"}
