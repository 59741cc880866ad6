"""Copies among the faces: identical files, identical pixels, near-copies; whom they join."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.duplicates.candidates import hamming_pairs
from fer_xai.data.duplicates.groups import conflicting, joined, same_value_pairs
from fer_xai.data.duplicates.near import NearPairs
from fer_xai.data.duplicates.prints import Prints
from fer_xai.data.duplicates.recordings import same_recorded

KINDS = ("identical files", "identical pixels", "near-copies")
"""Kinds of copies; each kind holds those before it."""
MOST_BITS = 10
"""Most bits of 64 in which perceptual hashes of a pair may differ in the table of hashes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """Copies among faces.

    Attributes
    ----------
    table
        A row a face: ``set``, ``split`` and ``emotion``.
    prints
        What they are known by.
    near
        Near-copies at the threshold.

    Examples
    --------
    >>> copies = example_copies()
    >>> copies.groups("near-copies").tolist(), copies.leaked("near-copies").tolist()
    ([0, 1, 0], [False, False, True])
    """

    table: pd.DataFrame
    prints: Prints
    near: NearPairs

    def pairs(self, kind: str) -> NDArray[np.int64]:
        """Pairs ``(P, 2)`` that join faces: of identical ones, each with the next."""
        found = [same_value_pairs(self.prints.files)]
        if kind != KINDS[0]:
            found.append(same_value_pairs(self.prints.pixels))
        if kind == KINDS[2]:
            found.append(self.near.pairs)
        return np.unique(np.concatenate(found), axis=0)

    def groups(self, kind: str) -> NDArray[np.int64]:
        """``(N,)`` numbers of groups: whoever is a copy of a copy is in the group."""
        return joined(len(self.table), self.pairs(kind))

    def leaked(self, kind: str) -> NDArray[np.bool_]:
        """``(N,)``: test faces that are copies of training faces themselves, of any set."""
        train = (self.table["split"] == "train").to_numpy()
        test = (self.table["split"] == "test").to_numpy()
        found = np.zeros(len(test), dtype=bool)
        for values in (self.prints.files, *([] if kind == KINDS[0] else [self.prints.pixels])):
            trained = {value for value, own in zip(values, train, strict=True) if own} - {""}
            found |= test & np.array([value in trained for value in values], dtype=bool)
        if kind == KINDS[2]:
            one, two = self.near.pairs.T
            found[two[train[one] & test[two]]] = True
            found[one[train[two] & test[one]]] = True
        return found

    def conflicts(self, kind: str) -> NDArray[np.int64]:
        """Numbers of the groups whose faces carry labels that conflict."""
        return np.array(sorted(self.disputed(kind)), dtype=np.int64)

    def disputed(self, kind: str) -> dict[int, set[tuple[str, str]]]:
        """Pairs of labels that conflict, by the number of the group.

        Different frames of one recorded person do not conflict: see
        :func:`fer_xai.data.duplicates.recordings.same_recorded`.
        """
        groups, labels = self.groups(kind), self.table["emotion"].astype(str).tolist()
        same = same_recorded(self.table, self.prints.pixels)
        found: dict[int, set[tuple[str, str]]] = {}
        for group in conflicting(groups, labels).tolist():
            members = np.flatnonzero(groups == group).tolist()
            pairs = {
                (min(labels[one], labels[two]), max(labels[one], labels[two]))
                for one, two in combinations(members, 2)
                if labels[one] != labels[two] and not same(one, two)
            }
            if pairs:
                found[group] = pairs
        return found


def example_copies() -> Copies:
    """Two built-in faces, the first of which comes again in the test split, with another label.

    Examples
    --------
    >>> example_copies().table["emotion"].tolist()
    ['fear', 'fear', 'anger']
    """
    from fer_xai.data.datasets.synthetic import synthetic_faces
    from fer_xai.data.duplicates.near import near_pairs
    from fer_xai.data.duplicates.prints import read_each

    prints = read_each([synthetic_faces(2), synthetic_faces(1)], hashes=["phash"])
    emotions, splits = ["fear", "fear", "anger"], ["train", "train", "test"]
    table = pd.DataFrame({"set": "s", "split": splits, "emotion": emotions})
    return Copies(table=table, prints=prints, near=near_pairs(prints.grey))


def duplicates_table(copies: Copies) -> pd.DataFrame:
    """Copies by kind: within each set, across sets, and in all.

    Examples
    --------
    >>> copies = example_copies()
    >>> duplicates_table(copies)["conflicting groups"].tolist()
    [0, 0, 1, 1, 1, 1]
    """
    sets = copies.table["set"].to_numpy()
    train = (copies.table["split"] == "train").to_numpy()
    names = list(dict.fromkeys(sets))
    rows = []
    for kind in KINDS:
        groups = copies.groups(kind)
        sizes = np.bincount(groups)
        many = np.isin(groups, np.flatnonzero(sizes > 1))
        conflicts, leaked = copies.conflicts(kind), copies.leaked(kind)
        across = conflicting(groups, sets.tolist())
        for scope in [*names, *(["across sets"] if len(names) > 1 else []), "all"]:
            if scope == "across sets":
                own = np.isin(groups, across)
            else:
                own = np.ones(len(sets), dtype=bool) if scope == "all" else sets == scope
            here = set(groups[own & many].tolist())
            tested = own & (copies.table["split"] == "test").to_numpy()
            rows.append(
                {
                    "copies": kind,
                    "where": scope,
                    "faces": int(own.sum()),
                    "faces with a copy": int((own & many).sum()),
                    "groups": len(here),
                    "conflicting groups": len(here & set(conflicts.tolist())),
                    "test faces": int(tested.sum()),
                    "test faces with a training copy": int((tested & leaked).sum()),
                    "training faces with a test copy": _trained(copies, kind, own & train),
                }
            )
    return pd.DataFrame(rows)


def _trained(copies: Copies, kind: str, own: NDArray[np.bool_]) -> int:
    """Number of training faces that have a copy among test faces."""
    splits = copies.table["split"].replace({"train": "test", "test": "train"})
    turned = Copies(table=copies.table.assign(split=splits), prints=copies.prints, near=copies.near)
    return int((turned.leaked(kind) & own).sum())


def conflicts_table(copies: Copies) -> pd.DataFrame:
    """Labels that conflict: numbers of groups in which both of two emotions are given.

    Examples
    --------
    >>> copies = example_copies()
    >>> conflicts_table(copies).iloc[:1].astype(object).values.tolist()
    [['identical pixels', 'anger', 'fear', 1]]
    """
    rows = []
    for kind in KINDS:
        counts = Counter(pair for pairs in copies.disputed(kind).values() for pair in pairs)
        for (one, two), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            rows.append({"copies": kind, "one label": one, "other label": two, "groups": count})
    return pd.DataFrame(rows, columns=["copies", "one label", "other label", "groups"])


def hashes_table(copies: Copies) -> pd.DataFrame:
    """What perceptual hashes find, held to the pixels: pairs within some bits, and near-copies.

    Examples
    --------
    >>> copies = example_copies()
    >>> hashes_table(copies).iloc[:1].astype(object).values.tolist()
    [['phash', 0, 1, 1, 100.0, 100.0]]
    """
    n = len(copies.table)
    plain = copies.near.chosen(~copies.near.mirrored).pairs  # hashes are of images as they are
    near = plain[:, 0] * n + plain[:, 1]
    rows = []
    for name, hashes in copies.prints.hashes.items():
        pairs, bits = hamming_pairs(hashes, MOST_BITS)
        keys = pairs[:, 0] * n + pairs[:, 1]
        both = np.isin(keys, near)
        for most in range(0, MOST_BITS + 1, 2):
            within = bits <= most
            found = int((both & within).sum())
            rows.append(
                {
                    "hash": name,
                    "bits, at most": most,
                    "pairs": int(within.sum()),
                    "of them near-copies": found,
                    "share of its pairs, %": 100 * found / within.sum() if within.any() else np.nan,
                    "share of near-copies, %": 100 * found / len(near) if len(near) else np.nan,
                }
            )
    return pd.DataFrame(rows)


def groups_of_pairs(
    table: pd.DataFrame, groups: NDArray[np.int64], pixels: Sequence[str]
) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Photographs that were labelled twice, by the two places where: a pair of labels a group.

    Where a group has several faces in one place its first two are taken, and the first of each of
    two places: groups are independent of one another, pairs of one group are not. Different frames
    of one recorded person are no pair.

    Parameters
    ----------
    table
        A row a face: ``set``, ``split`` and ``emotion``.
    groups
        ``(N,)`` numbers of groups.
    pixels
        ``(N,)`` digests of the pixels.

    Examples
    --------
    >>> table = pd.DataFrame({"set": "s", "split": ["train", "train", "test"],
    ...                       "emotion": ["fear", "anger", "fear"]})
    >>> [pairs for _, _, pairs in groups_of_pairs(table, np.zeros(3, int), ["1"] * 3)]
    [[('fear', 'anger')], [('fear', 'fear')]]
    """
    places = (table["set"] + " " + table["split"]).tolist()
    labels, same = table["emotion"].tolist(), same_recorded(table, pixels)
    names = list(dict.fromkeys(places))
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for members in np.split(order, ends):
        if len(members) < 2:
            continue
        by_place: dict[str, list[int]] = {}
        for member in members:
            by_place.setdefault(places[member], []).append(int(member))
        for one, two in combinations_with_replacement(sorted(by_place, key=names.index), 2):
            both = (
                combinations(by_place[one], 2)
                if one == two
                else product(by_place[one], by_place[two])
            )
            pair = next((pair for pair in both if not same(*pair)), None)
            if pair is None:
                continue
            found.setdefault((one, two), []).append((labels[pair[0]], labels[pair[1]]))
    for (one, two), pairs in found.items():
        yield one, two, pairs
