"""Every figure of the README and of the findings is that of its run, and every claim follows."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from fer_xai.errors import InputError
from studies.reporting.findings import Claim, Figure, number, read_claims, render

ROOT = Path(__file__).parents[3]
CLAIMS = read_claims(ROOT)
TEMPLATES = sorted((ROOT / "docs" / "templates").glob("*.md"))
NUMBER = re.compile(r"(?<![\w.,])[+−±-]?(?:\d[\d,]*)?\.?\d+(?:×\d+)?(?!\w)")
"""Numbers by themselves, and not those inside of names such as FER2013 or ResNet18."""
TYPED = {
    "95": "level of intervals",
    "0.5": "area under the curve of exchangeable maps",
    "0": "contrast of a map that ignores the emotion",
    ".5": "margin of the gate, declared",
    "±.02": "half width that the run was asked for",
    "±.01": "noise of the noise resilience, declared",
    "4×4": "cells of a map",
    "8×8": "cells of the gate's grid",
    **dict.fromkeys(["86.5", "83.1", "76.9", "81.3", "67.5"], "printed by the paper"),
}
"""All numbers that a template may have by itself, and why they are no results."""


def test_pages_are_rendered_from_the_runs():
    for path, text in render(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make docs"


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_follows_from_its_interval(name):
    claim = CLAIMS[name]
    assert claim.follows, f"{claim.says} {claim.figure}"


@pytest.mark.parametrize("name", CLAIMS)
def test_every_figure_is_used(name):
    used = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES)
    claim = CLAIMS[name]
    assert re.search(rf"\bf\.{name}\b", used) or claim.verdict != "stated"


def typed(text):
    """Numbers of a template that come from no run."""
    text = re.sub(r"\{\{.*?\}\}", "", text, flags=re.DOTALL)
    return NUMBER.findall(re.sub(r"\]\(.*?\)", "]", text))  # addresses of links


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_no_result_is_typed_into_a_template(path):
    assert set(typed(path.read_text(encoding="utf-8"))) <= set(TYPED)


def test_numbers_that_may_be_typed_are_used_and_those_of_the_paper_are_its_own():
    every = {number for path in TEMPLATES for number in typed(path.read_text(encoding="utf-8"))}
    assert every == set(TYPED)
    runs = tomllib.loads((ROOT / "docs" / "findings.toml").read_text(encoding="utf-8"))["runs"]
    table = ROOT / "results" / "reference" / runs["trainings"] / "tables" / "accuracy.csv"
    printed = set(pd.read_csv(table)["paper (best epoch on test)"].dropna().map("{:.1f}".format))
    assert {number for number, why in TYPED.items() if why == "printed by the paper"} <= printed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("recognises 53 % of them", ["53"]),
        ("the other three have 87.0 (", ["87.0"]),
        ("+.079 [+.070, .087]", ["+.079", "+.070", ".087"]),
        ("−.03 to 8,333 of 521.", ["−.03", "8,333", "521"]),
        ("ResNet18 on FER2013, {{ f.x }} % of 4×4, [run](a/b-12.5)", ["4×4"]),
    ],
)
def test_every_kind_of_number_is_seen(text, found):
    assert typed(text) == found


@pytest.mark.parametrize(
    ("low", "high", "verdict", "margin", "follows"),
    [
        (0.1, 0.3, "above", None, True),
        (-0.1, 0.3, "above", None, False),
        (float("nan"), 0.3, "above", None, False),
        (-0.3, -0.1, "below", None, True),
        (-0.1, 0.3, "not told apart", None, True),
        (0.1, 0.3, "not told apart", None, False),
        (-0.1, 0.1, "no different", 0.2, True),
        (-0.1, 0.3, "no different", 0.2, False),
        (-0.1, 0.1, "no different", None, False),
        (None, None, "above", None, False),
        (None, None, "stated", None, True),
    ],
)
def test_a_verdict_is_judged_by_the_interval(low, high, verdict, margin, follows):
    figure = Figure(value=0.1, low=low, high=high)
    claim = Claim(name="c", says="", figure=figure, verdict=verdict, margin=margin)
    assert claim.follows is follows


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (-0.0304, "+.2f", "−.03"),
        (87.25, ".1f", "87.2"),
        (1.5, ".2f", "1.50"),
        (2252, ",d", "2,252"),
        (-0.0001, ".3f", ".000"),
        (0.0001, "+.3f", ".000"),
    ],
)
def test_numbers_are_printed_as_the_pages_print_them(value, form, text):
    assert number(value, form) == text


@pytest.fixture
def project(tmp_path):
    tables = tmp_path / "results" / "reference" / "study" / "run" / "tables"
    tables.mkdir(parents=True)
    (tables / "methods.csv").write_text("method,gain\nlrp,0.2\nlrp,0.3\nrise,0.4\n")
    (tmp_path / "docs").mkdir()

    def write(entry):
        told = f'[runs]\none = "study/run"\n[x]\nsays = "It is so."\nrun = "one"\n{entry}\n'
        (tmp_path / "docs" / "findings.toml").write_text(told)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            'table = "no"\nrow = {}\ncolumn = "gain"',
            "Expected .*no.csv for the finding x, and it is not",
        ),
        (
            'table = "methods"\nrow = {who = "lrp"}\ncolumn = "gain"',
            "Expected a column 'who' for x, got",
        ),
        ('table = "methods"\nrow = {method = "lrp"}\ncolumn = "gain"', "Expected one row .* got 2"),
        (
            'table = "methods"\nrow = {}\ncolumn = "gain"\nverdict = "sure"',
            "Expected the verdict of x",
        ),
        ('answer = "Of (.*)"', "answer.txt for the finding x, and it is not there"),
    ],
)
def test_what_is_not_there_is_one_sentence(project, entry, sentence):
    with pytest.raises(InputError, match=sentence):
        read_claims(project(entry))


def test_rows_are_chosen_by_comparisons_and_counted(project):
    entry = 'table = "methods"\nrow = {gain = ">= 0.3"}\ncount = true'
    assert str(read_claims(project(entry))["x"].figure) == "2"


def test_several_rows_have_their_mean_and_ends(project):
    entry = 'table = "methods"\nrow = {method = "lrp"}\ncolumn = "gain"\nmean = true\nform = ".2f"'
    assert str(read_claims(project(entry))["x"].figure) == ".25 (.20 to .30)"


def test_tables_and_figures_of_reference_runs_have_readable_names():
    """A name with a space or a capital letter ends in its digest: name the table otherwise."""
    files = (ROOT / "results" / "reference").glob("*/*/*/*.*")
    assert not [path for path in files if re.search(r"-[0-9a-f]{8}$", path.stem)]
