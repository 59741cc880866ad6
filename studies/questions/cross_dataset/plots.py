"""The matrix of weights and data sets as a figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from studies.engine.domains import IN, PART
from studies.questions.cross_dataset.tables import cell_text
from studies.reporting.style import INK, TRAINED, style


def matrix(table: pd.DataFrame) -> Figure:
    """Accuracy of each network (row) on each data set (column); in-domain cells are outlined.

    Parameters
    ----------
    table
        A row a cell: see :attr:`studies.questions.cross_dataset.tables.CellTables.matrix`.

    Examples
    --------
    >>> row = {"trained on": "net", "tested on": "a", "faces are": "in-domain", "accuracy": 80.0}
    >>> row |= {"low": 78.1, "high": 81.9, "ends": "95 % over faces"}
    >>> figure = matrix(pd.DataFrame([row]))
    >>> figure.axes[0].texts[0].get_text().split()
    ['80.0', '±', '1.9']
    >>> plt.close(figure)
    """
    style()
    rows, columns = (list(dict.fromkeys(table[name])) for name in ("trained on", "tested on"))
    shares = table.pivot_table(index="trained on", columns="tested on", values="accuracy")
    shown = shares.loc[rows, columns].to_numpy()
    width = 0.085 * max(map(len, rows)) + 1.25 * len(columns) + 1.0
    fig, axis = plt.subplots(figsize=(width, 0.62 * len(rows) + 1.4), layout="constrained")
    image = axis.imshow(shown, vmin=0, vmax=100, cmap="Blues", aspect="auto")
    for row in table.to_dict("records"):
        y, x = rows.index(row["trained on"]), columns.index(row["tested on"])
        colour = "white" if row["accuracy"] > 60 else INK
        text = cell_text(row, joint="\n")
        axis.text(x, y, text, ha="center", va="center", color=colour, fontsize=8, linespacing=1.3)
        if row["faces are"] in (IN, PART):
            line = "-" if row["faces are"] == IN else ":"
            axis.add_patch(
                Rectangle(
                    (x - 0.47, y - 0.46),
                    0.94,
                    0.92,
                    fill=False,
                    ec=TRAINED,
                    lw=2,
                    ls=line,
                    zorder=3,
                )
            )
    axis.set_xticks(range(len(columns)), [name.replace("@", "\n@") for name in columns], fontsize=8)
    axis.set_yticks(range(len(rows)), rows, fontsize=8)
    axis.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axis.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axis.grid(which="minor", color="white", lw=2)
    axis.tick_params(which="both", length=0)
    axis.set_xlabel("tested on")
    for spine in axis.spines.values():
        spine.set_visible(False)
    fig.colorbar(image, ax=axis, label="accuracy, %", shrink=0.9, pad=0.02)
    return fig
