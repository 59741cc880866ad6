"""Shares that were counted in simulations, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate


@dataclass(frozen=True, kw_only=True)
class Row:
    """A share that was counted, beside the one there should be."""

    statistic: str
    design: str
    n: str
    nominal: float
    hits: int
    repeats: int
    told: str = ""

    @property
    def share(self) -> float:
        return self.hits / self.repeats if self.repeats else float("nan")

    @property
    def error(self) -> float:
        """Monte-Carlo standard error."""
        return float(np.sqrt(self.share * (1 - self.share) / self.repeats))


def table(rows: Sequence[Row]) -> str:
    """Markdown of what was counted."""
    return str(
        tabulate(
            [
                (r.statistic, r.design, r.n, r.nominal, f"{r.share:.3f} ± {r.error:.3f}", r.told)
                for r in rows
            ],
            headers=("statistic", "design", "n", "nominal", "actual", ""),
            tablefmt="github",
            disable_numparse=True,
        )
    )
