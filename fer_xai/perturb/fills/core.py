"""The interface and the registry of fills."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod

from torch import Tensor

from fer_xai.checks import check_images, check_length, quoted
from fer_xai.draws.sources import Sources
from fer_xai.draws.streams import streams
from fer_xai.errors import InputError
from fer_xai.perturb.fills.prepared import Painted, Prepared, check_mask
from fer_xai.registry import Registry


class Fill(ABC):
    """What stands in a face where pixels were removed.

    A module of this package that registers an instance adds a fill; nothing else is edited. Most
    fills are images that do not depend on the mask: these derive from :class:`ImageFill`.

    Attributes
    ----------
    name
        The name that it is chosen by.
    soft
        Whether a mask may remove a share of a pixel.
    needs_regions
        Whether facial regions are needed.
    random
        Whether generators matter.
    same_for_all
        Whether it is the same for every face.

    Examples
    --------
    >>> import torch
    >>> images, left = torch.ones(1, 3, 2, 2), torch.tensor([[[True, False], [True, False]]])
    >>> FILLS["black"].blend(images, left)[0, 0]
    tensor([[0., 1.],
            [0., 1.]])
    """

    name: str
    soft: bool = True
    needs_regions: bool = False
    random: bool = False
    same_for_all: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def meaning(self) -> str:
        """The first sentence of its docstring, for the tables of the documentation."""
        words = " ".join((inspect.getdoc(self) or "").split("\n\n")[0].split())
        return words.partition(". ")[0].rstrip(".")

    @property
    def kind(self) -> str:
        """The registered name, without an option."""
        return self.name.partition(":")[0]

    def with_option(self, option: str) -> Fill:
        """The fill with an option, as in ``linear:0.02``.

        Raises
        ------
        InputError
            If it has none, or for another value than it takes.
        """
        raise InputError(
            f"Expected the fill {self.name!r} without an option, got "
            f"{quoted(f'{self.name}:{option}')}: leave out the colon and what follows it."
        )

    def blend(
        self,
        images: Tensor,
        gone: Tensor,
        *,
        generators: Sources | None = None,
        regions: Tensor | None = None,
    ) -> Tensor:
        """Faces without the pixels that a mask removes.

        :meth:`prepare` is for several masks of the same faces.

        Parameters
        ----------
        images
            ``(B, 3, H, W)`` in [0, 1].
        gone
            ``(B, H, W)`` or ``(B, 1, H, W)``: bool, True where a pixel is removed, or, for a fill
            that takes soft masks, the share of each pixel that is removed, in [0, 1].
        generators
            Random numbers of each face: :func:`fer_xai.draws.streams.streams`, or generators of
            PyTorch; seeded by position by default.
        regions
            Bool ``(B, 8, H, W)`` of :func:`fer_xai.landmarks.face_regions`, for fills that need
            them.

        Returns
        -------
        Tensor
            ``(B, 3, H, W)``.

        Raises
        ------
        InputError
            If masks, generators or regions do not fit the images, the mask is soft and the fill
            does not take such masks, or regions are needed and missing.
        """
        check_images(images)
        check_mask(gone, images)
        return self.prepare(images, generators=generators, regions=regions).blend(gone)

    def prepare(
        self,
        images: Tensor,
        *,
        generators: Sources | None = None,
        regions: Tensor | None = None,
    ) -> Prepared:
        """The fill ready for some faces, to be blended with them under any number of masks.

        Parameters
        ----------
        images, generators, regions
            As for :meth:`blend`.

        Raises
        ------
        InputError
            If generators or regions do not fit the images, or regions are needed and missing.
        """
        return self.ready(images, self._generators(images, generators), self._regions(regions))

    @abstractmethod
    def ready(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Prepared:
        """What :meth:`prepare` returns, of what it has checked: this is what a fill defines.

        Parameters
        ----------
        images
            ``(B, 3, H, W)`` in [0, 1].
        generators
            Random numbers of each face, for :func:`fer_xai.draws.sources.uniform_rows` and
            :func:`~fer_xai.draws.sources.normal_rows`; empty if the fill is not random.
        regions
            Bool ``(B, 8, H, W)`` if the fill needs them, else whatever was handed in.
        """

    def image(
        self,
        images: Tensor,
        *,
        generators: Sources | None = None,
        regions: Tensor | None = None,
    ) -> Tensor:
        """The image ``(B, 3, H, W)`` of each face that shows where pixels are removed.

        Parameters
        ----------
        images, generators, regions
            As for :meth:`blend`.

        Raises
        ------
        InputError
            If there is no such image, because the fill depends on the mask; or as for
            :meth:`prepare`.
        """
        raise self.no_image()

    def no_image(self) -> InputError:
        """The refusal of a fill that depends on the mask."""
        known = FILLS.loaded().items()
        others = ", ".join(name for name, fill in known if isinstance(fill, ImageFill))
        return InputError(
            f"Expected a fill that is one image a face, which baselines and soft masks need, got "
            f"{self.name!r}, which depends on the pixels that are removed: choose from {others}."
        )

    def _generators(self, images: Tensor, generators: Sources | None) -> Sources:
        if not self.random:
            return ()
        if generators is None:
            return streams(("fill", index) for index in range(len(images)))
        check_length("generators", len(generators), len(images))
        return generators

    def _regions(self, regions: Tensor | None) -> Tensor | None:
        if self.needs_regions and regions is None:
            raise InputError(
                f"Expected facial regions for the fill {self.name!r}, which is made of them, got "
                "none: pass regions=face_regions(landmarks, size=…) of fer_xai.landmarks (for "
                "metrics, to ScoreCache or evaluate)."
            )
        return regions


class ImageFill(Fill):
    """A fill that is an image of each face, whatever the mask: :meth:`paint` makes it.

    Examples
    --------
    >>> import torch
    >>> class Inverse(ImageFill):
    ...     name = "inverse"
    ...
    ...     def paint(self, images, generators, regions):
    ...         return 1 - images
    >>> Inverse().blend(torch.ones(1, 3, 1, 2), torch.tensor([[[True, False]]]))[0, 0]
    tensor([[0., 1.]])
    """

    @abstractmethod
    def paint(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Tensor:
        """The image of each face.

        Parameters
        ----------
        images
            ``(B, 3, H, W)`` in [0, 1].
        generators
            Random numbers of each face, for :func:`fer_xai.draws.sources.uniform_rows` and
            :func:`~fer_xai.draws.sources.normal_rows`; empty if the fill is not random.
        regions
            Bool ``(B, 8, H, W)`` if the fill needs them, else whatever was handed in.

        Returns
        -------
        Tensor
            ``(B, 3, H, W)``, of the dtype and on the device of the images.
        """

    def image(
        self,
        images: Tensor,
        *,
        generators: Sources | None = None,
        regions: Tensor | None = None,
    ) -> Tensor:
        """The image ``(B, 3, H, W)`` of each face that shows where pixels are removed."""
        return self.paint(images, self._generators(images, generators), self._regions(regions))

    def ready(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Prepared:
        """The faces and the images that are painted of them."""
        return Painted(images, self.paint(images, generators, regions))


FILLS: Registry[Fill] = Registry(
    "fill",
    package="fer_xai.perturb.fills",
    first=("mean", "blur", "noise", "constant"),
    holds=Fill,
    wanted="a fer_xai.perturb.fills.Fill",
    remedy="derive a class from ImageFill and register an instance",
)
"""Fills by name; :func:`fill_named` also reads options, as in ``linear:0.02``."""


def fill_named(name: str) -> Fill:
    """A fill by its name, which may end in an option.

    Parameters
    ----------
    name
        A name of :data:`FILLS`, or ``linear:0.02``: linear imputation with other noise than 0.01.

    Raises
    ------
    UnknownNameError
        For an unknown name.
    InputError
        For an option of a fill that has none, or a value that it does not take.

    Examples
    --------
    >>> fill_named("blur"), fill_named("linear:0.02").noise
    (Blur('blur'), 0.02)
    >>> fill_named("fog")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown fill 'fog': choose from mean, blur, blur_rise, noise,
    black, grey, white, linear, skin.
    """
    if not isinstance(name, str):
        raise InputError(
            f"Expected a fill as a name, got {quoted(name)}: choose from {', '.join(FILLS)}."
        )
    kind, colon, option = name.partition(":")
    fill = FILLS[kind]
    return fill.with_option(option) if colon else fill


def has_fill(name: object) -> bool:
    """Whether a name, without its option, is that of a fill.

    Examples
    --------
    >>> has_fill("linear:0.02"), has_fill("mine")
    (True, False)
    """
    return isinstance(name, str) and name.partition(":")[0] in FILLS


def fill_images(
    images: Tensor,
    kind: str,
    generators: Sources | None = None,
    regions: Tensor | None = None,
) -> Tensor:
    """Images of a fill, to begin from or to be blended with the faces under a mask.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    kind
        Name of a fill that is one image a face, an :class:`ImageFill`.
    generators
        Random numbers of each image, for ``noise``, as for :meth:`Fill.blend`; seeded by position
        by default.
    regions
        Bool ``(B, 8, H, W)`` of :func:`fer_xai.landmarks.face_regions`, for ``skin``.

    Returns
    -------
    Tensor
        ``(B, 3, H, W)``.

    Raises
    ------
    UnknownNameError, InputError
        If there is no such fill, it depends on the pixels that are removed (``linear``), generators
        or regions do not fit the images, or regions are needed and missing.

    Examples
    --------
    >>> import torch
    >>> images = torch.tensor([0.0, 1.0]).expand(1, 3, 2, 2)
    >>> fill_images(images, "mean")[0, 0]
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    return fill_named(kind).image(images, generators=generators, regions=regions)
