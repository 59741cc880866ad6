"""Where the landmarks of a study's faces come from: a file, a provider, or whatever is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_xai.command import terminal
from fer_xai.detect import PROVIDERS, locate, with_points
from fer_xai.detect.counts import missing_table
from fer_xai.detect.provider import FILES, provider_named
from fer_xai.detect.providers.builtin import available
from fer_xai.errors import InputError
from fer_xai.types import Faces

SIZE = 64
"""Side of the images in whose pixels landmarks are checked."""

AUTO = "auto"
BUILTIN = "builtin"


@dataclass(frozen=True)
class PointsSource:
    """A file of landmarks or a provider, of which one at most is there.

    Attributes
    ----------
    file
        CSV that the data set is read with.
    provider
        Provider that locates the landmarks of the faces when they are read.
    asked
        Whether the user named it; a provider of ``auto`` may find no face.

    Examples
    --------
    >>> PointsSource.chosen("auto", built_in=True)  # built-in faces bring their own
    PointsSource(file=None, provider=None, asked=True)
    >>> PointsSource.chosen("points.csv.gz", built_in=False).name
    'points.csv.gz'
    >>> PointsSource.chosen("template", built_in=False).name
    'template, approximate'
    """

    file: Path | None = None
    provider: str | None = None
    asked: bool = True

    @classmethod
    def chosen(cls, option: str | Path | None, *, built_in: bool) -> PointsSource:
        """The source that ``--landmarks`` means.

        Parameters
        ----------
        option
            ``auto``, a provider, a file, or None for none.
        built_in
            Whether the faces are built in, and bring exact points.
        """
        if option is None:
            return cls()
        if option == AUTO:
            return cls() if built_in or not available() else cls(provider=BUILTIN, asked=False)
        text = str(option)
        name = text.partition(":")[0]
        other = any(text.endswith(end) for end, kind in FILES.items() if kind != "csv")
        if name in PROVIDERS or (other and not isinstance(option, Path)):
            provider_named(text)
            return cls(provider=text)
        return cls(file=Path(option))

    @property
    def name(self) -> str | None:
        """What a manifest records: the file's name, or the provider's with that of its weights."""
        if self.file is not None:
            return self.file.name
        if self.provider is None:
            return None
        provider = provider_named(self.provider)
        return f"{provider.label}{', approximate' if provider.approximate else ''}"

    def check(self, size: int | None) -> None:
        """Refuse a provider that cannot be used, before anything is computed.

        Parameters
        ----------
        size
            Side of the images that points were measured on, which goes with a file alone.

        Raises
        ------
        InputError
            If a size is given beside a provider, or the weights of the provider are missing.
        """
        if size is not None and self.provider is not None:
            raise InputError(
                f"Expected --landmarks-size with a file of landmarks, got --landmarks "
                f"{self.provider}: leave it out, or write it behind a file as csv:FILE@{size}."
            )
        if self.provider is not None:
            _ = provider_named(self.provider).version

    def located(self, faces: Faces) -> Faces:
        """The faces with the provider's points, those of a face that it does not find NaN.

        Without a provider they stay as they were read, and so they do where the provider was not
        asked for (``auto``) and finds none of them. Faces that are not found are counted on
        standard error.

        Raises
        ------
        InputError
            If a provider that was asked for finds none of them.
        """
        if self.provider is None:
            return faces
        found = locate(faces, self.provider)
        if not found.found.any():
            if not self.asked:
                terminal(error=True).print(
                    f"{found.label} finds none of {len(faces)} faces: no landmarks are known."
                )
                return faces
            raise InputError(
                f"Expected landmarks of {faces.name} from {found.label}, but it found none of "
                f"{len(faces)} faces: name another --landmarks."
            )
        table = missing_table(faces, found).iloc[:-1]
        lost = table.groupby("emotion", sort=False)["without landmarks"].sum()
        if lost.sum():
            names = ", ".join(f"{name} {count}" for name, count in lost.items() if count)
            terminal(error=True).print(
                f"{lost.sum()} of {len(faces)} faces have no landmarks by {found.label} ({names})."
            )
        return with_points(faces, found)


def with_landmarks(faces: Faces, *, least: int = 1) -> Faces:
    """The faces whose landmarks are known.

    Parameters
    ----------
    faces
        Faces with landmarks, unknown ones NaN.
    least
        How many have to be left.

    Raises
    ------
    InputError
        If fewer are left.
    """
    known = np.isfinite(faces.landmarks_at(SIZE)).all(axis=(1, 2))
    if known.sum() < least:
        raise InputError(
            f"Expected {least} or more faces with landmarks, got {known.sum()} of {len(faces)}: "
            "check --landmarks."
        )
    return faces.subset(np.flatnonzero(known))
