"""Compound emotions: pairs such as happily surprised, which a user's map turns into emotions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fer_xai.checks import quoted
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.file_names import name_fault
from fer_xai.data.registry import Problems
from fer_xai.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class CompoundRow:
    """A face and its pair of emotions.

    Examples
    --------
    >>> CompoundRow(name="1.jpg", code=1, pair="happily surprised", place="list.txt, row 1").code
    1
    """

    name: str
    code: int
    pair: str
    place: str


def mapped_rows(
    rows: Sequence[CompoundRow], emotions: EmotionMap, problems: Problems
) -> Iterator[tuple[CompoundRow, str]]:
    """Rows whose pair the map gives an emotion; the others are counted as left out.

    Raises
    ------
    InputError
        Without a map, unless problems are skipped; for a map that names a pair by its code and in
        words; for a name that is no file or comes twice.

    Examples
    --------
    >>> row = CompoundRow(name="1.jpg", code=1, pair="happily surprised", place="list.txt, row 1")
    >>> next(mapped_rows([row], EmotionMap.parse({"1": "surprise"}), Problems(skip=False)))[1]
    'surprise'
    """
    if not emotions and not problems.skip:
        pairs = {row.code: row.pair for row in rows}
        some = ", ".join(f"{code} {pairs[code]}" for code in sorted(pairs)[:3])
        raise InputError(
            f"Expected an emotion map, since pairs of emotions ({some or 'none'}, …) are no "
            "emotions, got none: name what each counts as with emotion_map (--map "
            "1=surprise,2=none,…)."
        )
    for code, pair in sorted({(row.code, row.pair) for row in rows}):
        emotions.check_once(str(code), pair)
    seen: dict[str, CompoundRow] = {}
    for row in rows:
        fault = name_fault(row.name)
        if fault:
            problems.add(
                f"Expected the name of a file in {row.place}, got {fault}: {quoted(row.name)}."
            )
            continue
        first = seen.setdefault(row.name, row)
        if first is not row:
            problems.add(
                f"Expected each image once, got {quoted(row.name)} in {first.place} and again in "
                f"{row.place}{'' if first.pair == row.pair else ', as another pair'}: delete one."
            )
            continue
        key = next((key for key in (str(row.code), row.pair) if key in emotions), None)
        emotion = None if key is None else emotions.emotion(key)
        if emotion is None:
            problems.left_out[row.pair] += 1
        else:
            yield row, emotion
