"""One look for the figures of all studies; drawn without a screen."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import seaborn as sns

INK = "#22313f"
TRAINED, UNTRAINED, CONTROL = "#c1440e", "#7a8fa6", "#b8b8b8"


def style() -> None:
    """One look for all figures."""
    sns.set_theme(style="white", context="paper", font_scale=1.1)
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.bbox": "tight",
            "axes.edgecolor": INK,
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "text.parse_math": False,
        }  # a name may hold dollars
    )
