"""Options of a training whose maps are aligned with action units, and what they are made into."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from fer_xai.checks import check_choice
from fer_xai.detect import locate, with_points
from fer_xai.detect.provider import provider_named
from fer_xai.errors import InputError
from fer_xai.landmarks.action_units import find_edition
from fer_xai.landmarks.codebooks import CODEBOOKS
from fer_xai.models import FERModel
from fer_xai.types import Faces
from training.align_areas import AreaBits, located
from training.alignment import Alignment, Loss, alignment_of
from training.recipes import Recipe

EXACT = "exact points of built-in faces"


@dataclass(frozen=True, kw_only=True)
class AlignOptions:
    """Whether and how maps are aligned with the action units of the true emotion.

    Examples
    --------
    >>> options = AlignOptions(align=0.5, landmarks="template")
    >>> options.identity()["align"]["landmarks"]
    'template'
    >>> AlignOptions(align=-1.0).check(Recipe(), built_in=True)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a weight of 0 or more for --align, got -1.
    """

    align: float | None = None
    """Weight of the alignment of maps beside the cross-entropy: Grad-CAM of the true emotion
    against the areas of its action units, on training faces with landmarks; the others have the
    cross-entropy alone. With 0 the alignment of the validation faces is measured alone."""
    align_loss: Loss = "contrast"
    """contrast: cosine with the emotion's own area less that with all emotions'; cosine: with its
    own alone, as published, by which a blob in the centre earns something."""
    align_edition: str = "fer_xai"
    """Edition of the areas of action units: fer_xai, belharbi, belharbi_scaled or pyfeat."""
    align_codebook: str = "emfacs"
    """Action units of each emotion: emfacs, belharbi or belharbi_code."""
    landmarks: Annotated[str | None, tyro.conf.arg(metavar="PROVIDER|FILE[@SIZE]")] = None
    """Landmarks of the training faces, for --align: a provider such as builtin:rafdb, or a CSV[.gz]
    of 68 points a face; built-in faces bring their own."""

    def check(self, recipe: Recipe, *, built_in: bool) -> None:
        """Refuse what no run can be made with.

        Parameters
        ----------
        recipe
            The recipe, which must not blend faces.
        built_in
            Whether faces bring their own landmarks.

        Raises
        ------
        InputError
            Naming the first.
        """
        if self.align is None:
            given = [name for name, value in vars(self).items() if value != getattr(NO_ALIGN, name)]
            if given:
                raise InputError(
                    f"Expected --align WEIGHT with --{given[0].replace('_', '-')}, got none: it "
                    "would change nothing, leave it out."
                )
            return
        if not (self.align >= 0 and math.isfinite(self.align)):
            raise InputError(f"Expected a weight of 0 or more for --align, got {self.align:g}.")
        if recipe.mixup:
            raise InputError(
                f"Expected --align without mixup, got --mixup {recipe.mixup:g}: a face that is "
                "blended with another has the action units of two."
            )
        find_edition(self.align_edition)
        check_choice("--align-codebook", self.align_codebook, tuple(CODEBOOKS))
        if self.landmarks is not None:
            _ = provider_named(self.landmarks).version  # one without its weights is told of here
        elif not built_in:
            raise InputError(
                "Expected --landmarks with --align, a provider such as builtin:rafdb or a CSV of "
                "68 points a face, got none: without points no face has action units to align with."
            )

    def identity(self) -> dict[str, Any]:
        """What the weights depend on; empty where nothing is aligned."""
        if self.align is None:
            return {}
        provider = None if self.landmarks is None else provider_named(self.landmarks)
        return {
            "align": {
                "weight": self.align,
                "loss": self.align_loss,
                "edition": self.align_edition,
                "codebook": self.align_codebook,
                "landmarks": EXACT if provider is None else provider.label,
            }
        }

    def with_landmarks(self, faces: Faces) -> Faces:
        """Faces with the landmarks that the options name.

        Raises
        ------
        InputError
            If there are none of any face.
        """
        if self.align is None:
            return faces
        if self.landmarks is not None:
            faces = with_points(faces, locate(faces, self.landmarks))
        if not located(faces).any():
            raise InputError(
                f"Expected landmarks of {faces.name} to align maps by, but none of {len(faces)} "
                "training faces has any: name other --landmarks."
            )
        return faces

    def made(
        self, model: FERModel, train: Faces, valid: Faces | None
    ) -> tuple[Alignment | None, dict[str, AreaBits], dict[str, Any]]:
        """What maps are aligned with, the areas of the faces by part, and what a card says of them.

        Raises
        ------
        InputError
            If the model has no maps, or an emotion no training face with landmarks.
        """
        if self.align is None:
            return None, {}, {}
        align = alignment_of(
            model,
            train,
            weight=self.align,
            loss=self.align_loss,
            edition=self.align_edition,
            codebook=self.align_codebook,
        )
        parts = {"train": train} | ({"valid": valid} if valid is not None else {})
        areas = {
            part: AreaBits(
                faces, model.emotions, edition=self.align_edition, codebook=self.align_codebook
            )
            for part, faces in parts.items()
        }
        facts = {
            f"{part}_{what}": value
            for part, faces in parts.items()
            for what, value in (
                ("aligned", int(located(faces).sum())),
                ("areas_sha256", areas[part].digest),
            )
        }
        return align, areas, facts | {"layer": align.layer.name, "cells": list(align.layer.side)}


NO_ALIGN = AlignOptions()
"""Nothing is aligned."""
