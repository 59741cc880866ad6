"""Which action units an emotion shows in, and the area that they make up on a face."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from fer_xai.checks import quoted
from fer_xai.emotions import SIX, parse_emotion
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.landmarks.action_units import UNITS, au_maps, find_edition
from fer_xai.landmarks.points import Points, check_landmarks

Codebook = Mapping[str, tuple[str, ...]]
"""Action units such as ``"AU12"`` by emotion."""

_UNIT = re.compile(r"(?:AU)?\s*[LR]?\s*0*(\d+)[A-E]?", re.IGNORECASE)


def _book(**units: tuple[int, ...]) -> Codebook:
    return {emotion: tuple(f"AU{n}" for n in numbers) for emotion, numbers in units.items()}


EMFACS: Codebook = _book(
    happiness=(6, 12),
    surprise=(1, 2, 5, 26),
    sadness=(1, 4, 15),
    anger=(4, 5, 7, 23),
    disgust=(9, 15, 16),
    fear=(1, 2, 4, 5, 7, 20, 26),
    contempt=(12, 14),
)
"""Prototypes after EMFACS (Friesen & Ekman 1983), as the field quotes them. Intensities (surprise's
5B) and sides (contempt is R12A+R14A) are left out, since an area has neither."""

BELHARBI: Codebook = _book(
    happiness=(6, 12, 25),
    surprise=(1, 2, 5, 26, 27),
    sadness=(1, 4, 6, 15, 17),
    anger=(4, 5, 7, 10, 17, 23, 24, 25, 26),
    disgust=(9, 10, 16, 17, 25, 26),
    fear=(1, 2, 4, 5, 20, 25, 26, 27),
)
"""Codebook in the paper of Belharbi et al. (FG 2024, arXiv 2402.00281)."""

BELHARBI_CODE: Codebook = {**BELHARBI, "disgust": ("AU9", "AU5", "AU16", "AU17", "AU25", "AU26")}
"""Codebook in their code, which has the upper lid (5) for the upper lip (10) in disgust."""

CODEBOOKS: dict[str, Codebook] = {
    "emfacs": EMFACS,
    "belharbi": BELHARBI,
    "belharbi_code": BELHARBI_CODE,
}
"""Codebooks by name."""


def parse_unit(value: object) -> str:
    """Name of an action unit written in any common way.

    Sides and intensities (``R12A``) are left out: they are no matter of where a unit shows.

    Raises
    ------
    UnknownNameError
        For what is no action unit, or one that no edition has a map of.

    Examples
    --------
    >>> [parse_unit(value) for value in (12, "AU12", "au06", "5B", "R14A")]
    ['AU12', 'AU12', 'AU6', 'AU5', 'AU14']
    >>> parse_unit("AU18")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Expected an action unit with a map (AU1, AU2, ...), got 'AU18'.
    """
    is_text = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    found = _UNIT.fullmatch(str(value).strip()) if is_text else None
    name = f"AU{found[1]}" if found else ""
    if name not in UNITS:
        raise UnknownNameError(
            f"Expected an action unit with a map ({', '.join(UNITS)}), got {quoted(value)}."
        )
    return name


def load_codebook(path: str | Path) -> Codebook:
    """A codebook of one's own, from a TOML file with one line an emotion: ``fear = [1, 2, 20]``.

    Parameters
    ----------
    path
        Path of the file. Emotions may be written in any common way (``happy``), and so may units
        (``12``, ``"AU12"``).

    Raises
    ------
    InputError
        If the file cannot be read or is no TOML, for an emotion or unit that is not known, an
        emotion that comes twice, or one without units.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "book.toml"
    ...     _ = path.write_text('joy = [6, "AU12"]')
    ...     load_codebook(path)
    {'happiness': ('AU6', 'AU12')}
    """
    path = Path(path)
    try:
        lines = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"Expected a codebook in TOML with lines such as happiness = [6, 12], but {path} "
            f"cannot be read ({reason})."
        ) from error
    return check_codebook(lines, name=str(path))


def check_codebook(book: object, *, name: str = "the codebook") -> Codebook:
    """A codebook with canonical names of emotions and units.

    Parameters
    ----------
    book
        Units by emotion.
    name
        What messages call it.

    Raises
    ------
    InputError
        For an emotion or unit that is not known, an emotion that comes twice, or one without
        units.

    Examples
    --------
    >>> check_codebook({"happy": [6, 12]})
    {'happiness': ('AU6', 'AU12')}
    >>> check_codebook({"happy": []})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a list of action units such as [6, 12] for 'happy' in ...
    """
    if not isinstance(book, Mapping) or not book:
        raise InputError(
            f"Expected a list of action units an emotion in {name}, such as happiness = [6, 12], "
            "got none."
        )
    found: dict[str, tuple[str, ...]] = {}
    for word, units in book.items():
        try:
            emotion = parse_emotion(str(word))
            listed = isinstance(units, Sequence) and not isinstance(units, str) and len(units) > 0
            if not listed:
                raise InputError(
                    f"Expected a list of action units such as [6, 12] for {quoted(word)} in "
                    f"{name}, got {quoted(units)}: leave the line out if the emotion has none."
                )
            parsed = tuple(dict.fromkeys(parse_unit(unit) for unit in units))
        except UnknownNameError as error:
            where = f" ({name}, {quoted(word)})."
            raise InputError(str(error).removesuffix(".") + where) from error
        if emotion in found:
            raise InputError(
                f"Expected one list an emotion in {name}, got two for {emotion}: join them."
            )
        found[emotion] = parsed
    return found


def find_codebook(codebook: str | Path | Codebook) -> Codebook:
    """A codebook by its name, the path of a TOML file, or as a mapping.

    Raises
    ------
    InputError
        For a name that is no codebook's, or a codebook that cannot be used.

    Examples
    --------
    >>> find_codebook("emfacs")["happiness"]
    ('AU6', 'AU12')
    >>> find_codebook("facs")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Expected a codebook (emfacs, belharbi, belharbi_code, or ...
    """
    if isinstance(codebook, Mapping):
        return check_codebook(codebook)
    if isinstance(codebook, str) and codebook in CODEBOOKS:
        return CODEBOOKS[codebook]
    if isinstance(codebook, str | Path) and Path(codebook).suffix.lower() == ".toml":
        return load_codebook(codebook)
    raise UnknownNameError(
        f"Expected a codebook ({', '.join(CODEBOOKS)}, or a file that ends in .toml), got "
        f"{quoted(codebook)}."
    )


def units_without_map(
    codebook: str | Path | Codebook, *, edition: str = "fer_xai"
) -> dict[str, tuple[str, ...]]:
    """Units of a codebook that an edition has no map of, by emotion; most have none missing.

    :func:`emotion_areas` leaves them out, so that a report must name them.

    Parameters
    ----------
    codebook
        Name, path or mapping.
    edition
        Name of the edition.

    Examples
    --------
    >>> units_without_map("emfacs")
    {}
    >>> units_without_map("emfacs", edition="pyfeat")
    {'anger': ('AU23',)}
    """
    known = find_edition(edition).units
    missing = {
        emotion: tuple(unit for unit in units if unit not in known)
        for emotion, units in find_codebook(codebook).items()
    }
    return {emotion: units for emotion, units in missing.items() if units}


def emotion_areas(
    landmarks: Points,
    *,
    size: int,
    emotions: Sequence[str] = SIX,
    codebook: str | Path | Codebook = "emfacs",
    edition: str = "fer_xai",
    without_shared: bool | tuple[str, str] = False,
) -> Tensor:
    """Where each emotion should show on each face: the union of the maps of its action units.

    Parameters
    ----------
    landmarks
        ``(N, 68, 2)`` iBUG points in pixels x, y of images of side ``size``; NaN where unknown.
    size
        Side of the maps.
    emotions
        Emotions, in the order of the second axis; all must be in the codebook.
    codebook
        ``emfacs``, ``belharbi``, ``belharbi_code``, the path of a TOML file
        (:func:`load_codebook`), or a mapping.
    edition
        Edition of the maps (:func:`~fer_xai.landmarks.au_maps`). Units that it has no map of are
        left out (:func:`units_without_map`).
    without_shared
        Two emotions that are often confused: pixels in both of their areas belong to neither of
        them. True stands for fear and surprise. In EMFACS and in Belharbi's codebook every unit of
        surprise is one of fear's, so that surprise has no pixel left, and what needs an area is
        undefined for it.

    Returns
    -------
    Tensor
        Bool ``(N, C, size, size)``. All false for a face with an unknown point.

    Raises
    ------
    InputError
        If the landmarks, the codebook or the edition cannot be used; for an emotion that is not in
        the codebook, or whose units have no map in this edition; or if the emotions of
        ``without_shared`` are not two of ``emotions``.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> areas = emotion_areas(canonical_landmarks()[None], size=64)
    >>> areas.shape
    torch.Size([1, 6, 64, 64])
    >>> [round(share, 2) for share in areas[0].float().mean(dim=(1, 2)).tolist()]
    [0.19, 0.34, 0.21, 0.18, 0.15, 0.47]
    """
    book = find_codebook(codebook)
    names = [parse_emotion(name) for name in emotions]
    absent = [name for name in names if name not in book]
    if absent:
        called = (
            quoted(Path(codebook).name)[1:-1]
            if isinstance(codebook, str | Path)
            else "the codebook"
        )
        those = tuple(name for name in names if name in book) or tuple(book)
        mine = not (isinstance(codebook, str) and codebook in CODEBOOKS)
        add = f"add {'them' if len(absent) > 1 else 'it'}, or " if mine else ""
        raise InputError(
            f"Expected action units of each emotion, but {called} has no line for "
            f"{', '.join(absent)}: {add}pass emotions={those}."
        )
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"Expected different emotions that the codebook has action units for "
            f"({', '.join(book)}), got {', '.join(names) or 'none'}."
        )
    known = find_edition(edition).units
    units = {name: [unit for unit in book[name] if unit in known] for name in names}
    bare = [name for name in names if not units[name]]
    if bare:
        raise InputError(
            f"Expected a map of some unit of {bare[0]} in edition {edition}, but it has none of "
            f"{', '.join(book[bare[0]])}: choose another edition, or leave the emotion out."
        )
    pair = _pair(without_shared, names)
    points = check_landmarks(landmarks, size=size)
    needed = [unit for unit in known if any(unit in of for of in units.values())]
    out = torch.zeros(len(points), len(names), size, size, dtype=torch.bool)
    for start in range(0, len(points), 512):
        part = slice(start, start + 512)
        maps = au_maps(points[part], size=size, edition=edition, units=needed)
        for column, name in enumerate(names):
            for unit in units[name]:
                out[part, column] |= maps[unit]
    if pair:
        first, second = (names.index(name) for name in pair)
        shared = out[:, first] & out[:, second]
        out[:, first] &= ~shared
        out[:, second] &= ~shared
    return out


def _pair(without_shared: bool | tuple[str, str], names: list[str]) -> tuple[str, ...]:
    """The two emotions whose shared pixels are left out, or none."""
    if without_shared is False:
        return ()
    given = ("fear", "surprise") if without_shared is True else without_shared
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(
            f"Expected two emotions in without_shared, such as ('fear', 'surprise'), got {given!r}."
        )
    pair = tuple(parse_emotion(name) for name in given)
    if len(set(pair)) != 2 or len(pair) != 2 or not set(pair) <= set(names):
        raise InputError(
            f"Expected two different emotions in without_shared, both of {', '.join(names)}, got "
            f"{', '.join(pair) or 'none'}."
        )
    return pair
