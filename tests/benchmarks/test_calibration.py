"""Pieces of the calibration: kept, counted, and shown on the page of statistics."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks.calibration import counting, digest, page, pieces
from benchmarks.calibration.rows import Row


def test_every_piece_has_a_file_of_its_own_and_a_table_on_the_page():
    every = pieces.pieces()
    assert len(every) == len({name.casefold() for name in every})
    shown = page.BLOCK.findall(page.PAGE.read_text("utf-8"))
    assert [name for _, name, _ in shown] == [
        name for _, name, _ in page.BLOCK.findall(page.fill(page.PAGE.read_text("utf-8")))
    ]
    assert {name for _, name, _ in shown} == set(page.TABLES)
    assert {name.split(".")[0].removesuffix("-errors") for name in every} <= {
        name.removesuffix("-errors") for _, name, _ in shown
    }


def test_the_page_is_made_of_the_pieces():
    text = page.PAGE.read_text("utf-8")
    assert page.fill(text) == text, "run: python -m benchmarks.calibration --page"


def test_a_piece_is_counted_once_by_the_same_code(tmp_path):
    name = "trainings.all"
    piece = dataclasses.replace(pieces.pieces()[name], repeats=20)
    path = tmp_path / f"{name}.json"
    assert not counting.kept(path, piece)
    assert counting.count(name, 20, tmp_path)[0] == name
    assert counting.kept(path, piece)
    assert not counting.kept(path, dataclasses.replace(piece, repeats=30))
    assert not counting.kept(path, dataclasses.replace(piece, make=pieces.families.familywise))
    assert list(tmp_path.iterdir()) == [path]
    rows = page.rows_of("trainings", tmp_path)
    assert len(rows) == len(json.loads(path.read_text("utf-8"))["rows"]) == 9
    assert rows == list(piece.make(20))


def test_a_piece_is_made_of_what_it_reaches(monkeypatch):
    start = ("benchmarks.calibration.means", "coverage")
    reached = digest.reached(start)
    assert ("metrics.statistics.skewness", "skewed") in reached
    assert ("metrics.statistics.families", "mean_family") not in reached
    before = digest.code_of(pieces.means.coverage)

    def changed(module, name, text):
        made = dict(digest._defined(module)) | {name: digest.ast.parse(text).body[0]}
        other = {m: digest._defined(m) for m, _ in reached} | {module: made}
        monkeypatch.setattr(digest, "_defined", lambda name: other.get(name, {}))
        return digest.code_of(pieces.means.coverage)

    module = "metrics.statistics.intervals"
    assert changed(module, "SURE_FACES", "SURE_FACES = 25") != before
    monkeypatch.undo()
    node = digest._defined(module)["reason_without"]
    prose = digest.ast.unparse(node).replace("too few", "not enough")
    assert prose != digest.ast.unparse(node)
    assert changed(module, "reason_without", prose) == before


def test_what_only_refuses_or_shows_is_no_part_of_a_piece():
    def told(text):
        return digest._told(digest.ast.parse(text).body[0])

    assert told("def f(x):\n    check_scores(x)\n    return x") == told("def f(x):\n    return x")
    assert told("def f(x):\n    y = check_scores(x)\n    return y") != told(
        "def f(x):\n    return x"
    )
    shown = "@dataclass(frozen=True, repr=False)\nclass A:\n    x: int\n    def __repr__(self):\n        return g(self)"
    assert told(shown) == told("@dataclass(frozen=True)\nclass A:\n    x: int")
    start = ("benchmarks.calibration.means", "coverage")
    assert not {name for _, name in digest.reached(start) if name.startswith("check_")}


def test_the_page_says_which_pieces_are_of_earlier_code(tmp_path):
    name = "trainings.all"
    counting.count(name, 20, tmp_path)
    assert page.earlier(tmp_path) == "All pieces were counted by today's code.\n"
    path = tmp_path / f"{name}.json"
    path.write_text(path.read_text("utf-8").replace('"made of": "', '"made of": "other'), "utf-8")
    assert page.earlier(tmp_path) == "Counted by earlier code: trainings.all.\n"


def row(design, n, hits, *, statistic="mean_interval", nominal=0.95):
    return Row(statistic=statistic, design=design, n=n, nominal=nominal, hits=hits, repeats=1000)


def test_a_table_has_ranges_and_marks_what_covers_too_little():
    rows = [
        row("normal, correlation 0", "12", 950),
        row("normal, correlation 0.9", "12", 940),
        row("normal, correlation 0", "5", 920),
    ]
    lines = page.pivot(rows).splitlines()
    assert lines[0].split() == ["|", "|", "5", "|", "12", "|"]
    assert lines[2].split() == ["|", "normal", "|", "**.920**", "|", ".940–.950", "|"]
    assert lines[-1] == "1,000 data sets a cell, error at most 0.009."
    assert page.pivot([]) == "(not counted yet)\n"


@pytest.mark.parametrize(
    ("statistic", "nominal", "hits", "bad"),
    [
        ("mean_interval", 0.95, 929, True),
        ("mean_interval", 0.95, 1000, False),
        ("mean_test", 0.05, 61, True),
        ("mean_test", 0.05, 0, False),
        ("Wilcoxon", 0.05, 900, False),
        ("power of mean_test", np.nan, 100, False),
    ],
)
def test_what_is_worse_than_asked_for(tmp_path, statistic, nominal, hits, bad):
    made = row("normal", "60", hits, statistic=statistic, nominal=nominal)
    assert page.worse(made) == bad
    told = {
        "rows": [
            dataclasses.asdict(made)
            | {"nominal": None if made.nominal != made.nominal else nominal}
        ]
    }
    (tmp_path / "means.all.json").write_text(json.dumps(told), "utf-8")
    assert (page.missed(tmp_path) != "None.\n") == bad


def test_cells_that_chance_may_explain_are_told_apart(tmp_path):
    rows = [row("normal", "60", 926), row("lognormal", "5", 880), row("normal", "12", 950)]
    told = {"rows": [dataclasses.asdict(one) for one in rows]}
    (tmp_path / "means.all.json").write_text(json.dumps(told), "utf-8")
    assert page.missed(tmp_path) == (
        "1 of 3 cells, by more than two Monte-Carlo errors:\n\n"
        "- mean_interval: lognormal, n 5: .880 ± .010\n\n"
        "1 of 3 cells, by less, which may be chance:\n\n"
        "- mean_interval: normal, n 60: .926 ± .008\n"
    )
