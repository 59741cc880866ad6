"""Names of models, methods and data sets are data: in paths, in tables, on the terminal."""

import io

import pandas as pd
import pytest

from fer_xai.command import terminal
from fer_xai.names import LONGEST, csv_text, markdown_text, slug
from studies.reporting.formatting import csv, markdown

HOSTILE = (
    "../../../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "CON:",
    "Net",
    "m[/b]",
    "n" * 300,
    "ñandú",
    "\ud800",
    "a\nb",
    "x" * 79 + "/",
    " ",
    "-",
    "<b>",
    "é" * 200,
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_slug_is_one_part_of_a_path_that_can_be_written(name, tmp_path):
    made = slug(name)
    assert 0 < len(made) <= LONGEST
    assert made == made.lower()
    assert made.isascii()
    assert not set(made) & set('/\\:*?"<>| ')
    assert not made.startswith((".", "-"))
    (tmp_path / f"{made}.npz").write_text("")
    assert [file.name for file in tmp_path.iterdir()] == [f"{made}.npz"]


def test_slugs_tell_names_apart():
    names = [*HOSTILE, "net", "NET", "n" * 299, "a-b", "a b", "a_b"]
    assert len({slug(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["gimefive", "gimefive@untrained0", "gradcam++", "gimefive-rafdb-test-bb719a5c"]
)
def test_a_safe_name_stays_as_it_is(name):
    assert slug(name) == name


TABLE = pd.DataFrame(
    {
        "model": [
            "a|b",
            "<script>alert(1)</script>",
            "=HYPERLINK(1)",
            "@x",
            "-0.5",
            "+c",
            "[a](b)",
        ],
        "gain": [-1.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        "units": [-3, 1, 2, 3, 4, 5, 6],
    }
)


def test_markdown_shows_text_as_it_is():
    lines = markdown(TABLE).splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {4}
    assert "<script>" not in markdown(TABLE)
    assert "](" not in markdown(TABLE).replace("\\]", "")
    assert "-1.500" in markdown(TABLE)
    assert markdown_text("gradcam_paper") == "gradcam_paper"


@pytest.mark.parametrize(
    ("text", "written"),
    {
        "*b*": r"\*b*",
        "**b**": r"\*\*b\**",
        "* b": r"\* b",
        "_c_": r"\_c\_",
        "__init__": r"\_\_init\_\_",
        "a._c_": r"a.\_c\_",
        "~~x~~": r"\~\~x\~\~",
        "# x": r"\# x",
        "within Pearson*": "within Pearson*",
        "integrated_gradients": "integrated_gradients",
        "a__b": "a__b",
        "a*b*c": r"a\*b\*c",
        "R_": r"R\_",
    }.items(),
)
def test_markup_is_escaped_and_names_read_well(text, written):
    assert markdown_text(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "-0.307 [-1.260, +0.647]",
        "+1.2 %",
        "-5 %",
        "-5%",
        "-0.1 ± 0.2",
        "-1e-05",
        "-inf",
        "+.5",
        "-1.0 % [-2.0 %, +3.0 %]",
        "+2.0 ± 0.1 [1.0, 3.0]",
    ],
)
def test_numbers_of_a_csv_stay_as_they_are(text):
    assert csv_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "\n=1",
        " \t\n@x",
        "-1+1",
        "-5 %+A1",
        "+1 [A1, 2]",
        "-A1",
        "-1\n=2",
        "-1 [1, 2]+cmd|' /C'!A0",
        "\u00a0=1",
        "+1 2",
        "-",
        "+",
        "-%",
        "-\u0661+1",
    ],
)
def test_formulae_of_a_csv_get_an_apostrophe(text):
    assert csv_text(text) == f"'{text}"


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers():
    read = pd.read_csv(io.StringIO(csv(TABLE)), dtype={"model": str})
    assert read["gain"].tolist() == TABLE["gain"].tolist()
    assert read["units"].tolist() == TABLE["units"].tolist()
    assert read["model"].tolist() == [
        "a|b",
        "<script>alert(1)</script>",
        "'=HYPERLINK(1)",
        "'@x",
        "-0.5",
        "'+c",
        "[a](b)",
    ]
    assert csv_text("\t=1") == "'\t=1"
    assert csv(pd.DataFrame({"=a": ["b"]})).startswith("'=a")
    categories = pd.DataFrame({"a": pd.Categorical(["=b"])})
    assert "'=b" in csv(categories)


def test_brackets_are_no_markup_on_the_terminal(capsys):
    from rich.table import Table

    table = Table(title="t[/b]", caption=":smile:")
    table.add_column("m[/b]")
    table.add_row("[red]x[/]")
    console = terminal()
    console.print("m[/b] and [bold]n", style="bold", soft_wrap=True)
    console.print(table)
    said = capsys.readouterr().out
    for text in ("m[/b] and [bold]n", "t[/b]", ":smile:", "[red]x[/]"):
        assert text in said


def test_a_progress_bar_takes_any_name(capsys):
    from studies.engine.progress import progress_bar

    bar = progress_bar(shown=True)
    bar.add_task("m[/b]: maps", total=1)
    terminal().print(bar.get_renderable())
    assert "m[/b]: maps" in capsys.readouterr().out
