"""The number of an emotion that is explained and measured: logit, probability, their contrasts."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Output = Literal["logit", "log_probability", "probability"]
"""Which number of an emotion is meant."""
OUTPUTS: tuple[Output, ...] = ("logit", "log_probability", "probability")


def scores(
    logits: Tensor, columns: Tensor, against: Tensor | None = None, *, output: Output = "logit"
) -> Tensor:
    """Scores of emotions in logits.

    Parameters
    ----------
    logits
        ``(…, C)``: outputs of a model.
    columns
        ``(…, K)`` int64: the output columns whose scores are wanted.
    against
        ``(…, K)`` columns whose score is subtracted, which makes contrasts; None for none.
    output
        ``logit``, ``log_probability`` or ``probability``, over the C outputs.

    Returns
    -------
    Tensor
        ``(…, K)`` float32.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.5, -1.0]])
    >>> scores(logits, torch.tensor([[0, 1]]), torch.tensor([[1, 1]]))
    tensor([[1.5000, 0.0000]])
    >>> scores(logits, torch.tensor([[0]]), output="probability")
    tensor([[0.7856]])
    """
    values = logits.float()
    if output == "log_probability":
        values = values.log_softmax(dim=-1)
    elif output == "probability":
        values = values.softmax(dim=-1)
    chosen = values.gather(-1, columns)
    return chosen if against is None else chosen - values.gather(-1, against)
