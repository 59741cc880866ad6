"""Seeded, stratified splits that keep copies and persons on one side."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_xai.data.duplicates import near_copies
from fer_xai.errors import InputError
from fer_xai.types import Faces


def stratified_split(
    faces: Faces, fraction: float, *, seed: int = 0, keep: NDArray[np.bool_] | None = None
) -> tuple[Faces, Faces]:
    """Cut a share of each emotion off, for validation.

    Faces that share a subject, a named group of copies, or a photograph (identical pixels or
    near-copies, see :mod:`fer_xai.data.duplicates`) stay together, so no copy of a training face is
    validated on.

    Parameters
    ----------
    faces
        What to split.
    fraction
        Share of each emotion that goes to the second part, in (0, 1).
    seed
        Seed of the draw. Without near-copies the split is that of earlier versions.
    keep
        ``(N,)``: faces that stay in the first part, with all that must stay with them: copies of
        test faces, by which nothing may be chosen
        (:func:`fer_xai.data.duplicates.copies_of`).

    Returns
    -------
    kept, held_out
        Disjoint, in the table's order.

    Raises
    ------
    InputError
        If the fraction leaves one side without faces, or ``keep`` is of another length
        or holds anything but truth values (0 and 1 are such).

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> kept, held_out = stratified_split(load_dataset("synthetic", split="test"), 0.1)
    >>> len(kept), len(held_out)
    (540, 60)
    """
    if not 0 < fraction < 1:
        raise InputError(f"Expected a fraction between 0 and 1 to hold out, got {fraction}.")
    if keep is not None and np.shape(keep) != (len(faces),):
        raise InputError(f"Expected keep ({len(faces)},), one a face, got {np.shape(keep)}.")
    if keep is not None:
        if not np.isin(keep, (0, 1)).all():
            raise InputError("Expected keep True or False (1 or 0) a face, got other values.")
        keep = np.asarray(keep, dtype=bool)
    groups = face_groups(faces)
    blocks = _joined(groups, near_copies(faces))
    staying = set(blocks[keep].tolist()) if keep is not None else set()
    labels = faces.labels.numpy()
    rng = np.random.default_rng(seed)
    order = rng.permutation(groups.max() + 1 if len(groups) else 0)
    block_of = np.zeros(len(order), dtype=np.int64)
    block_of[groups] = blocks
    members = np.split(np.argsort(blocks, kind="stable"), np.cumsum(np.bincount(blocks))[:-1])
    quota = np.round(np.bincount(labels, minlength=8) * fraction)
    taken = np.zeros(8)
    held_out: list[int] = []
    for block in dict.fromkeys(block_of[order].tolist()):  # each at the place of its first group
        if block in staying:
            continue
        inside = members[block]
        counts = np.bincount(labels[inside], minlength=8)
        if ((taken + counts)[counts > 0] <= quota[counts > 0]).all():
            taken += counts
            held_out.extend(inside.tolist())
    mask = np.zeros(len(faces), dtype=bool)
    mask[held_out] = True
    if mask.all() or not mask.any():
        kept = f", of which {len(staying)} groups must be kept" if staying else ""
        raise InputError(
            f"Expected faces on both sides of a split of {len(faces)} faces at {fraction}{kept}, "
            "but one is empty: use more faces or another fraction."
        )
    return faces.subset(np.flatnonzero(~mask)), faces.subset(np.flatnonzero(mask))


def _joined(groups: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(N,)`` numbers of groups, those joined that pairs ``(P, 2)`` of faces connect."""
    n = int(groups.max()) + 1 if len(groups) else 0
    one, two = groups[pairs[:, 0]], groups[pairs[:, 1]]
    links = coo_array((np.ones(len(pairs)), (one, two)), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1][groups], dtype=np.int64)


def face_groups(faces: Faces) -> NDArray[np.int64]:
    """``(N,)`` group numbers: faces of one subject, one group of copies, or identical pixels.

    A face whose subject and group are unknown ("") is its own, copies of its pixels aside.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> face_groups(load_dataset("synthetic", split="test", limit=4)).tolist()
    [0, 1, 2, 3]
    """
    keys: dict[str, int] = {}
    parent: list[int] = []

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    pixels = (face for batch in faces.batches(size=64) for face in batch.pixels.numpy())
    found = np.empty(len(faces), dtype=np.int64)
    columns = zip(pixels, faces.table["subject"], faces.table["group"], strict=True)
    for index, (face, subject, group) in enumerate(columns):
        tags = [f"pixels {hashlib.sha1(face.tobytes(), usedforsecurity=False).hexdigest()}"]
        tags += [f"subject {subject}"] if subject else []
        tags += [f"group {group}"] if group else []
        nodes = []
        for tag in tags:
            if tag not in keys:
                keys[tag] = len(parent)
                parent.append(len(parent))
            nodes.append(root(keys[tag]))
        for node in nodes[1:]:
            parent[root(node)] = root(nodes[0])
        found[index] = nodes[0]
    roots = np.array([root(int(node)) for node in found], dtype=np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
