"""Faces from anywhere in one line: tensors, datasets of PyTorch, lists, Hugging Face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fer_xai.registry import Registry
from fer_xai.types import making
from fer_xai.types.lists import of_csv
from fer_xai.types.making import Images, Labels, Made

SOURCES: Registry[Callable[..., Any]] = Registry(
    "source of faces", {"huggingface": "fer_xai.data.hub"}
)
"""Functions that make faces and are defined above this package, which they register with."""


class Constructors:
    """The class methods of :class:`fer_xai.types.Faces` that make faces of what a user has.

    Examples
    --------
    >>> from fer_xai.types import Faces
    >>> issubclass(Faces, Constructors)
    True
    """

    @classmethod
    def _of(cls, made: Made, *, name: str, landmarks: NDArray[np.float32] | None = None) -> Self:
        """Faces of a table and its reader."""
        raise NotImplementedError

    @classmethod
    def from_tensors(
        cls,
        images: Images,
        labels: Labels,
        *,
        emotions: str | Sequence[str] | None = None,
        name: str = "tensors",
        ids: Sequence[str] | None = None,
        landmarks: NDArray[np.float32] | None = None,
        **columns: Sequence[str],
    ) -> Self:
        """Faces from images in memory.

        Parameters
        ----------
        images
            ``(N, 3, H, W)`` or grey ``(N, 1, H, W)``; or a list of images of any sizes: tensors
            ``(3, H, W)``, ``(1, H, W)`` or ``(H, W)``, arrays ``(H, W, 3)``, ``(H, W, 1)`` or
            ``(H, W)``, or PIL images; or an array ``(N, H, W, 3)`` or ``(N, H, W)``. uint8, or
            floats in [0, 1], which are rounded to 8 bits.
        labels
            ``(N,)`` emotions, as names or numbers.
        emotions
            Emotions in the order of the labels' numbers, or the name of a native order such as
            ``"fer2013"``; canonical indices by default (:data:`fer_xai.emotions.EMOTIONS`).
        name
            What the set is called in results.
        ids
            ``(N,)`` names of the faces; ``NAME-0``, ``NAME-1``, … by default.
        landmarks
            ``(N, 68, 2)`` in pixels of the images.
        columns
            Further columns of the table, ``(N,)`` each: ``subject``, ``group``, ``split``,
            ``source``, or others.

        Raises
        ------
        InputError
            For no images, another shape, a number of labels that does not fit, an unknown emotion.

        Examples
        --------
        >>> import torch
        >>> from fer_xai.types import Faces
        >>> Faces.from_tensors(torch.rand(2, 3, 8, 8), ["happy", "fear"], subject=["S1", "S2"])
        Faces(tensors: 2 faces (happiness 1, fear 1))
        >>> images = [np.zeros((8, 6), np.uint8), torch.rand(3, 9, 9)]
        >>> Faces.from_tensors(images, [0, 3], emotions="fer2013").image_sizes.tolist()
        [[8, 6], [9, 9]]
        """
        made = making.of_tensors(
            images, labels, emotions=emotions, name=name, ids=ids, columns=columns
        )
        return cls._of(made, name=name, landmarks=landmarks)

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        emotions: str | Sequence[str] | None = None,
        name: str = "dataset",
        labels: Labels | None = None,
        label: str = "",
    ) -> Self:
        """Faces from a dataset of PyTorch (or Hugging Face), whose items are an image and a label.

        Parameters
        ----------
        dataset
            Has a length, and items by index: ``(image, label)``, or dicts with ``image`` (``img``)
            and ``label`` (``labels``, ``emotion``). Images are PIL images, tensors ``(3, H, W)``,
            or arrays ``(H, W, 3)``; grey ones ``(H, W)``, too. Augmentations and normalisation
            must be off.
        emotions
            Emotions in the order of the labels' numbers, or the name of a native order; the
            dataset's ``classes`` (or names of its labels) by default.
        name
            What the set is called in results.
        labels
            ``(N,)`` numbers or names, where they are known; the dataset's ``targets`` by default,
            else each item is read once for its label.
        label
            Key of the labels in items that are dicts, if it is not a usual one.

        Raises
        ------
        InputError
            If it is empty, the order of the emotions is not known, or a label is not in it.

        Examples
        --------
        >>> import torch
        >>> from fer_xai.types import Faces
        >>> items = [(torch.rand(3, 8, 8), 1), (torch.rand(3, 8, 8), 0)]
        >>> Faces.from_dataset(items, emotions=["fear", "anger"])
        Faces(dataset: 2 faces (anger 1, fear 1))
        """
        made = making.of_dataset(dataset, emotions=emotions, name=name, labels=labels, label=label)
        return cls._of(made, name=name)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        *,
        root: str | Path | None = None,
        split: str | None = None,
        emotions: str | Sequence[str] | None = None,
        names: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Self:
        r"""Faces from a list of image files.

        Parameters
        ----------
        path
            Comma-separated file with a header. A column of paths (``path``, ``image``, ``file``
            and other usual names) and one of emotions (``label``, ``emotion``, …); where they are
            there, ``id``, ``split``, ``subject``, ``source``, ``group`` and others.
        root
            Folder of the images; that of the list by default.
        split
            The split whose rows are kept, as its column ``split`` spells it; all by default.
        emotions
            Emotions in the order of the codes, or the name of a native order, where the labels are
            numbers.
        names
            What the columns are called in the file, where they have other names, such as
            ``{"path": "picture", "emotion": "felt", "subject": "person"}``.
        name
            What the set is called in results; the name of the list by default.

        Raises
        ------
        InputError
            If the list cannot be read or is empty, a column is missing, an emotion is unknown, a
            path leads out of the root, or image files are missing.

        Examples
        --------
        >>> import tempfile
        >>> from PIL import Image
        >>> from fer_xai.types import Faces
        >>> place = Path(tempfile.mkdtemp())
        >>> Image.new("L", (8, 8)).save(place / "a.png")
        >>> _ = (place / "mine.csv").write_text("path,label,subject\na.png,happy,S1\n")
        >>> Faces.from_csv(place / "mine.csv")
        Faces(mine: 1 face (happiness 1))
        """
        made = of_csv(Path(path), root=root, split=split, emotions=emotions, names=names or {})
        return cls._of(made, name=name or Path(path).stem)

    @classmethod
    def from_huggingface(
        cls,
        place: str | Path,
        *,
        split: str = "test",
        emotions: str | Sequence[str] | None = None,
        label: str = "",
        name: str | None = None,
    ) -> Self:
        r"""Faces of a dataset in Hugging Face's format, from a folder or by its name on the hub.

        Parameters
        ----------
        place
            A folder with ``metadata.csv``, ``metadata.jsonl`` or parquet files, which is read
            without further packages; or a name such as ``"someone/faces"``, which the package
            ``datasets`` looks up in its cache or fetches.
        split
            ``train``, ``valid`` or ``test`` of a folder; of a name, the split as it spells it.
        emotions
            Emotions in the order of the labels' numbers, or the name of a native order, where the
            files do not tell them.
        label
            Name of the column of labels, if it is not a usual one.
        name
            What the set is called in results; the folder's name, or the dataset's, by default.

        Raises
        ------
        InputError
            If there is no such folder and ``datasets`` is not installed or cannot get the data, the
            split or a column is missing, or a label is unknown.

        Examples
        --------
        >>> import tempfile
        >>> from PIL import Image
        >>> from fer_xai.types import Faces
        >>> place = Path(tempfile.mkdtemp())
        >>> Image.new("L", (8, 8)).save(place / "1.png")
        >>> _ = (place / "metadata.jsonl").write_text('{"file_name": "1.png", "label": "happy"}\n')
        >>> Faces.from_huggingface(place, name="mine")
        Faces(mine: 1 face (happiness 1))
        """
        made = SOURCES["huggingface"](place, split=split, emotions=emotions, label=label, name=name)
        assert isinstance(made, cls)
        return made
