import numpy as np
import pandas as pd

from studies.reporting.formatting import (
    latex,
    markdown,
    rounded,
    signed,
    signed_bounds,
    with_intervals,
)

TABLE = pd.DataFrame(
    {
        "model": ["a_b", "c"],
        "mean": [0.12345, np.nan],
        "low": [0.1, np.nan],
        "high": [0.2, np.nan],
        "n": [5.0, 0.0],
        "p": [1e-5, 0.5],
        "profile ICC(A,1)": [-0.02, 0.5],
        "primary": [True, False],
    }
)


def test_numbers_are_rounded_counts_are_whole_and_nan_is_empty():
    cells = rounded(TABLE)
    assert cells["mean"].tolist() == ["0.123", ""]
    assert cells["n"].tolist() == ["5", "0"]
    assert cells["p"].tolist() == ["<0.001", "0.500"]
    assert cells["profile ICC(A,1)"].tolist() == ["-0.020", "0.500"]
    assert cells["primary"].tolist() == ["yes", ""]


def test_bounds_stand_beside_their_estimate():
    shown = with_intervals(rounded(TABLE))
    assert shown["mean"].tolist() == ["0.123 [0.100, 0.200]", ""]
    assert "low" not in shown


def test_bounds_stand_beside_an_estimate_that_may_have_others():
    """``mean`` has ``low`` and ``high`` in some tables, and ``mean low`` in others."""
    shown = with_intervals(rounded(TABLE.rename(columns={"low": "mean low", "high": "mean high"})))
    assert shown["mean"].tolist() == ["0.123 [0.100, 0.200]", ""]
    assert not {"mean low", "mean high"} & set(shown)


def test_markdown_and_latex():
    assert markdown(TABLE).splitlines()[0].startswith("| model")
    assert "a\\_b" in latex(TABLE)
    assert "\\toprule" in latex(TABLE)


def test_what_is_rounded_to_zero_has_no_sign():
    assert (signed(-0.0001), signed(0.0001), signed(-0.0)) == ("0.000", "0.000", "0.000")
    assert signed_bounds(-0.0004, 0.0006) == " [0.000, +0.001]"
    assert rounded(pd.DataFrame({"mean": [-0.0001, -0.001]}))["mean"].tolist() == [
        "0.000",
        "-0.001",
    ]
