"""What is asked about a batch of faces: targets, contrasts, the number of an emotion, and seeds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from fer_xai.draws.sources import Sources
from fer_xai.draws.streams import Stream, Streams, stream, streams
from fer_xai.perturb.fills import Prepared, fill_images, fill_named
from fer_xai.scores import Output, scores


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a model about a batch of faces.

    Attributes
    ----------
    images
        ``(B, 3, H, W)`` float in [0, 1], on the predictor's device.
    columns, against
        ``(B, K)`` output columns to explain, and those they are contrasted with, or None.
    output
        Which number of an emotion is explained.
    keys
        Names of the faces. They seed what is random about a face, so that batch size and order do
        not matter.
    seed
        Seed of the random generators.
    regions
        Bool ``(B, R, H, W)``: parts of each image, for methods that ask for them.
    predicted
        Whether the target is the model's predicted emotion, which is not known yet: ``columns``
        ``(B, 1)`` is then a placeholder, and :meth:`scores` and :meth:`resolved` read the target
        off the logits. Only methods that give logits (:meth:`Attribution.gives_logits`) are asked
        so.

    Examples
    --------
    >>> import torch
    >>> question = Question(images=torch.zeros(1, 3, 8, 8), columns=torch.tensor([[2, 0]]))
    >>> len(question), question.targets
    (1, 2)
    >>> question.scores(torch.tensor([[0.1, 0.2, 0.7]]))
    tensor([[0.7000, 0.1000]])
    """

    images: Tensor
    columns: Tensor
    against: Tensor | None = None
    output: Output = "logit"
    keys: tuple[str | int, ...] = ()
    seed: int = 0
    regions: Tensor | None = None
    predicted: bool = False

    def __len__(self) -> int:
        return len(self.images)

    @property
    def targets(self) -> int:
        """K, the number of targets a face."""
        return self.columns.shape[1]

    def resolved(self, logits: Tensor) -> Question:
        """The question with its targets known.

        Parameters
        ----------
        logits
            ``(B, C)`` logits of its images, read only if the predicted emotion is asked for.
        """
        if not self.predicted:
            return self
        columns = logits.detach().argmax(dim=1, keepdim=True).to(self.columns.device)
        return dataclasses.replace(self, columns=columns, predicted=False)

    def scores(self, logits: Tensor, *, each: int = 1) -> Tensor:
        """The numbers that are explained.

        Parameters
        ----------
        logits
            ``(B · each, C)``: logits in which every face stands ``each`` times in a row.
        each
            Number of rows of a face.

        Returns
        -------
        Tensor
            ``(B · each, K)`` float32.
        """
        question = self.resolved(logits[::each])
        columns, against = question.columns, question.against
        if each > 1:
            columns = columns.repeat_interleave(each, dim=0)
            against = None if against is None else against.repeat_interleave(each, dim=0)
        return scores(logits, columns, against, output=self.output)

    def one(self, target: int) -> Question:
        """The question for one of the K targets.

        Parameters
        ----------
        target
            Its position, 0 to K − 1.
        """
        return dataclasses.replace(
            self,
            columns=self.columns[:, target : target + 1],
            against=None if self.against is None else self.against[:, target : target + 1],
        )

    def part(self, rows: slice) -> Question:
        """The question for a slice of the faces.

        Parameters
        ----------
        rows
            The slice.
        """
        return dataclasses.replace(
            self,
            images=self.images[rows],
            columns=self.columns[rows],
            against=None if self.against is None else self.against[rows],
            keys=self.keys[rows],
            regions=None if self.regions is None else self.regions[rows],
        )

    def rows(self, faces: Tensor) -> Question:
        """The question for some of the faces.

        Parameters
        ----------
        faces
            Their positions ``(M,)``.
        """
        return dataclasses.replace(
            self,
            images=self.images[faces],
            columns=self.columns[faces],
            against=None if self.against is None else self.against[faces],
            keys=tuple(self.keys[face] for face in faces.tolist()) if self.keys else (),
            regions=None if self.regions is None else self.regions[faces],
        )

    def filled(self, fill: str, *, soft: bool = False) -> Prepared:
        """A fill of the faces, ready to be blended with them under masks.

        Parameters
        ----------
        fill
            A name of :data:`fer_xai.perturb.fills.FILLS`, also with an option.
        soft
            Whether masks keep shares of pixels.

        Raises
        ------
        UnknownNameError, InputError
            If there is no such fill, it takes no soft masks and they are asked for, or it needs
            regions and the question has none.
        """
        chosen = fill_named(fill)
        if soft and not chosen.soft:
            raise chosen.no_image()
        drawn = self.streams("fill") if chosen.random else None
        return chosen.prepare(self.images, generators=drawn, regions=self.regions)

    def baseline(self, fill: str, generators: Sources) -> Tensor:
        """The images ``(B, 3, H, W)`` of a fill, for paths to begin at.

        Parameters
        ----------
        fill
            A name of :data:`fer_xai.perturb.fills.FILLS`, also with an option.
        generators
            Random numbers of each face: :meth:`streams`, or generators of PyTorch.

        Raises
        ------
        UnknownNameError, InputError
            If there is no such fill, it depends on the pixels that are removed, or it needs regions
            and the question has none.
        """
        return fill_images(self.images, fill, generators, self.regions)

    def stream(self, face: int, salt: str = "") -> Stream:
        """Random numbers of one face, named by (seed, its key, salt).

        Parameters
        ----------
        face
            Position of the face.
        salt
            Name of the use, so that two uses draw different numbers.
        """
        return stream(self.seed, self.keys[face], salt)

    def streams(self, salt: str) -> Streams:
        """Random numbers of each face, drawn for all of them at once.

        Parameters
        ----------
        salt
            Name of the use, so that two uses draw different numbers.
        """
        return streams((self.seed, self.keys[face], salt) for face in range(len(self)))
