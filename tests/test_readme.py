"""The README is short, and its code runs: ``python -m tests.test_readme`` makes its picture."""

import contextlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.helpers import drawn_once

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PICTURE = ROOT / "docs" / "first_look.png"


def test_it_is_short():
    assert README.count("\n") <= 150


def test_its_first_screen_installs_explains_and_shows():
    screen = "\n".join(README.splitlines()[:20])
    steps = ["pip install", "load_model(", "explain(", "show(", f"(docs/{PICTURE.name})"]
    places = [screen.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_every_page_of_the_docs_is_linked():
    linked = README + "".join(
        (ROOT / "docs" / name).read_text(encoding="utf-8")
        for name in re.findall(r"\(docs/(\w+\.md)", README)
    )
    assert not [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in linked]


def test_its_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {}
    with drawn_once():
        for code in BLOCKS:
            quick = re.sub("limit=[0-9]+", "limit=2", code).replace(', "occlusion"', "")
            exec(quick, space)  # seconds instead of minutes
    assert (tmp_path / "faces.png").stat().st_size > 1000
    assert space["frame"]["value"].notna().all()
    assert "</html>" in (tmp_path / "audit.html").read_text(encoding="utf-8")


def draw_picture():
    """The picture of the first block, as the docs show it."""
    with TemporaryDirectory() as place, contextlib.chdir(place):
        exec(BLOCKS[0], {})
        picture = Image.open("faces.png").convert("RGB")
    picture.quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    draw_picture()
