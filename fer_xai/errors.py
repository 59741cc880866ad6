"""The errors users see: one sentence with what was expected, what came, and what to do."""


class FerXaiError(Exception):
    """Base of every error raised on purpose by this package."""


class InputError(FerXaiError, ValueError):
    """Something handed in by the user cannot be used: a value, a file, a name, a shape."""


class UnknownNameError(InputError, KeyError):
    """A name that is not in a registry; the message suggests the close ones."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0])


class MapWarning(UserWarning):
    """Maps that are undefined, or miss what they should add up to; studies count them instead."""
