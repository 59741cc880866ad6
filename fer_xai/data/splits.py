"""Seeded, stratified splits that keep copies and persons on one side."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.types import Faces


def stratified_split(faces: Faces, fraction: float, *, seed: int = 0) -> tuple[Faces, Faces]:
    """Cut a share of each emotion off, for validation.

    Faces that share a subject, a named group of copies, or identical pixels stay together, so no
    copy of a training face is validated on.

    Parameters
    ----------
    faces
        What to split.
    fraction
        Share of each emotion that goes to the second part, in (0, 1).
    seed
        Of the draw.

    Returns
    -------
    kept, held_out
        Disjoint, in the table's order.

    Raises
    ------
    InputError
        If the fraction leaves one side without faces.
    """
    if not 0 < fraction < 1:
        raise InputError(f"Expected a fraction between 0 and 1 to hold out, got {fraction}.")
    groups = face_groups(faces)
    labels = faces.labels.numpy()
    rng = np.random.default_rng(seed)
    order = rng.permutation(groups.max() + 1 if len(groups) else 0)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    quota = np.round(np.bincount(labels, minlength=8) * fraction)
    taken = np.zeros(8)
    held_out: list[int] = []
    for group in order:
        inside = members[group]
        counts = np.bincount(labels[inside], minlength=8)
        if ((taken + counts)[counts > 0] <= quota[counts > 0]).all():
            taken += counts
            held_out.extend(inside.tolist())
    mask = np.zeros(len(faces), dtype=bool)
    mask[held_out] = True
    if mask.all() or not mask.any():
        raise InputError(
            f"Expected faces on both sides of a split of {len(faces)} faces at {fraction}, but one "
            "is empty: use more faces or another fraction."
        )
    return faces.subset(np.flatnonzero(~mask)), faces.subset(np.flatnonzero(mask))


def face_groups(faces: Faces) -> NDArray[np.int64]:
    """``(N,)`` group numbers: faces of one subject, one group of copies, or identical pixels."""
    keys: dict[str, int] = {}
    parent: list[int] = []

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    pixels = faces.pixels(64).numpy()
    found = np.empty(len(faces), dtype=np.int64)
    columns = zip(faces.table["subject"], faces.table["group"], strict=True)
    for index, (subject, group) in enumerate(columns):
        tags = [
            f"pixels {hashlib.sha1(pixels[index].tobytes(), usedforsecurity=False).hexdigest()}"
        ]
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
