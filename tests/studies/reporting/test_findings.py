"""Every figure of the README and of the findings is that of its run, and every claim follows."""

import re
from pathlib import Path

import pytest

from fer_xai.errors import InputError
from studies.reporting.findings import Claim, Figure, number, read_claims, render

ROOT = Path(__file__).parents[3]
CLAIMS = read_claims(ROOT)
TEMPLATES = sorted((ROOT / "docs" / "templates").glob("*.md"))


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


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_no_result_is_typed_into_a_template(path):
    text = re.sub(r"\{\{.*?\}\}", "", path.read_text(encoding="utf-8"))
    assert not re.findall(r"(?<![\d±])\.\d{2,}|[+−]\d*\.\d", text)


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
