"""The errors users see: one sentence with what was expected, what came, and what to do."""

import difflib
from collections.abc import Iterable


class FerXaiError(Exception):
    """Base of every error raised on purpose by this package.

    Examples
    --------
    >>> import fer_xai
    >>> try:
    ...     fer_xai.load_model("gimefife")
    ... except FerXaiError as error:
    ...     print(error)
    Unknown model 'gimefife': did you mean gimefive ...
    """


class InputError(FerXaiError, ValueError):
    """Something handed in by the user cannot be used: a value, a file, a name, a shape.

    Examples
    --------
    >>> from fer_xai.checks import check_choice
    >>> try:
    ...     check_choice("output", "loss", ("logit", "probability"))
    ... except ValueError as error:  # it is one
    ...     print(error)
    Expected output logit, probability, got 'loss'.
    """


class UnknownNameError(InputError, KeyError):
    """A name that is not in a registry; the message suggests the close ones.

    Examples
    --------
    >>> from fer_xai.emotions import parse_emotion
    >>> parse_emotion("hapiness")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: ...happiness...
    """

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0])


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The question whether names that are close to an unknown one were meant; empty without any.

    Examples
    --------
    >>> did_you_mean("hapiness", ["happiness", "fear"]), did_you_mean("x", ["happiness", "fear"])
    ('did you mean happiness?', '')
    """
    close = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else ""


class MapWarning(UserWarning):
    """Maps that are undefined, or miss what they should add up to; studies count them instead.

    Examples
    --------
    >>> import warnings
    >>> import fer_xai, torch
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    >>> model = fer_xai.FERModel(net, emotions=["happiness", "anger"], size=2)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", fer_xai.errors.MapWarning)  # or "ignore"
    ...     len(fer_xai.explain(model, torch.rand(1, 3, 2, 2), method="saliency"))
    1
    """
