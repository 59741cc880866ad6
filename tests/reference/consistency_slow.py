"""Slow, obvious versions of the consistency metrics, pair by pair, straight from the definitions."""

import itertools

import numpy as np
from scipy import stats


def pair_similarity(a, b, kind):
    if kind == "pearson":
        return stats.pearsonr(a, b)[0]
    if kind == "spearman":
        return stats.spearmanr(a, b)[0]
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def similarity_matrix(maps, labels, kind):
    """Mean over pairs of distinct faces of each two emotions."""
    emotions = np.unique(labels)
    out = np.full((len(emotions), len(emotions)), np.nan)
    for i, e in enumerate(emotions):
        for j, f in enumerate(emotions):
            values = [
                pair_similarity(maps[a], maps[b], kind)
                for a in np.flatnonzero(labels == e)
                for b in np.flatnonzero(labels == f)
                if a != b
            ]
            out[i, j] = np.mean(values)
    return out


def separability(maps, labels, weights=None):
    """Weighted AUC, emotion against emotion; pairs of a face with itself do not exist."""
    n = len(maps)
    weights = np.ones(n) if weights is None else weights
    pairs = {}
    for a, b in itertools.combinations(range(n), 2):
        pair = (np.corrcoef(maps[a], maps[b])[0, 1], weights[a] * weights[b])
        pairs.setdefault(frozenset((labels[a], labels[b])), []).append(pair)
    emotions = np.unique(labels)
    aucs = []
    for e in emotions:
        within = pairs[frozenset((e,))]
        against = []
        for f in emotions[emotions != e]:
            between = pairs[frozenset((e, f))]
            top = sum(w * v * ((x > y) + 0.5 * (x == y)) for x, w in within for y, v in between)
            against.append(top / (sum(w for _, w in within) * sum(v for _, v in between)))
        aucs.append(np.mean(against))
    return float(np.mean(aucs))


def pairs_of(rows, labels, units, one, other):
    """Similarities, rounded, of pairs of faces of two emotions and of two units, one by one."""
    found = []
    for a, b in itertools.combinations(range(len(rows)), 2):
        if {labels[a], labels[b]} == {one, other} and units[a] != units[b]:
            found.append(round(float(rows[a] @ rows[b]), 6))
    return found


def separability_apart(rows, labels, units, emotions):
    """AUC over emotions, from pairs of distinct units, by comparing every pair with every pair."""
    aucs = []
    for e in emotions:
        within = pairs_of(rows, labels, units, e, e)
        against = []
        for f in emotions:
            if f != e:
                between = pairs_of(rows, labels, units, e, f)
                won = [(x > y) + 0.5 * (x == y) for x in within for y in between]
                against.append(sum(won) / len(won))
        aucs.append(sum(against) / len(against))
    return np.array(aucs)


def excess_apart(rows, labels, units, emotions):
    """Mean within less mean between, from pairs of distinct units."""
    within = [np.mean(pairs_of(rows, labels, units, e, e)) for e in emotions]
    between = [
        np.mean(pairs_of(rows, labels, units, e, f)) for e, f in itertools.combinations(emotions, 2)
    ]
    return np.mean(within) - np.mean(between)


def without_each(statistic, rows, labels, units):
    """A statistic without each unit, computed anew."""
    return {
        unit: statistic(rows[units != unit], labels[units != unit], units[units != unit])
        for unit in np.unique(units)
    }
