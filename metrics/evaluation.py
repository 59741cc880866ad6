"""Many metrics of many explanations, as one tidy table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from fer_xai.checks import check_count, check_ids, check_images, check_length, check_targets
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.kept import predictor_of
from fer_xai.inference.predictor import Classifier, Predictor
from fer_xai.progress import Told, counted
from fer_xai.seeding import seed_of
from fer_xai.types import Explanation, Faces
from metrics.core.needs import check_areas, check_needs
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache
from metrics.core.shared_results import SharedResults

CHUNK = 64
"""Number of faces at a time, so that memory does not grow with their number."""
CALIBRATION = 128
"""Number of faces that BatchNorm statistics of random networks come from."""
DEFAULT = ("deletion", "insertion", "gini")
"""Metrics that need only maps and the model."""


def evaluate(
    model: Classifier | Predictor,
    faces: Faces | Tensor,
    explanations: Explanation | Sequence[Explanation] | Mapping[str, Explanation],
    metrics: Iterable[str | MetricSpec] = DEFAULT,
    *,
    regions: Tensor | None = None,
    areas: Tensor | Mapping[str, Tensor] | None = None,
    explain: Mapping[str, Explain] | None = None,
    fills: Mapping[str, Tensor] | None = None,
    calibration: Tensor | None = None,
    ids: Sequence[object] | None = None,
    seed: int = 0,
    chunk: int = CHUNK,
    progress: Told = True,
) -> pd.DataFrame:
    """Score explanations; each distinct image is passed through the network once.

    Faces are processed a chunk at a time. Images that metrics and methods share (the clean face,
    the filled one, random subsets, coalitions of regions) are scored once for all of them.

    Parameters
    ----------
    model
        A classifier, or a predictor of one (which fixes device, precision and batch size).
    faces
        The faces that were explained, or their images ``(N, 3, H, W)`` in [0, 1].
    explanations
        One explanation, several, or several by name; of these faces in this order (checked where
        both have names), at the images' size.
    metrics
        Names of :data:`metrics.METRICS`, or specs of your own, each once.
    regions
        Bool ``(N, R, H, W)`` that do not overlap, for metrics over facial regions and for fills
        that are made of them, such as ``skin`` (:func:`fer_xai.landmarks.face_regions`).
    areas
        Where the explained emotion is shown on each face, for metrics of alignment: bool or from 0
        to 1, ``(N, H, W)``; or such by emotion, of which each map's target takes its own.
    explain
        Callables that make the maps of a method, by the explanation's name, for metrics of
        robustness and randomisation (:class:`metrics.core.registry.Explain`).
    fills
        Images ``(N, 3, H, W)`` of fills of your own, by name, for specs whose options ask for them.
    calibration
        Images ``(M, 3, H, W)`` that the BatchNorm statistics of random networks come from; by
        default at most 128 of the faces, drawn by their ids. Hand them in if a part of the faces
        should score as it does among all.
    ids
        Names of the images, each once, which seed (with ``seed``) what is random about each: by
        default the ids of the faces, or positions.
    seed
        Seed of ties, fills and samples.
    chunk
        Number of faces at a time; it changes no value.
    progress
        Whether a bar shows the progress of long calls on a terminal; or a function that is called
        with the number of faces done after each chunk.

    Returns
    -------
    DataFrame
        One row for each face, explanation and metric: ``id``, ``emotion`` (that of the face, if
        known), ``target`` (the emotion that is explained), ``method``, ``metric``, ``value`` (NaN
        where undefined, and for undefined maps), ``undefined`` (whether the map is undefined, see
        :attr:`fer_xai.types.Explanation.undefined`).

    Raises
    ------
    UnknownNameError, InputError
        If a metric is unknown, explanations are of other faces, targets are none of the model's, or
        the needs of a metric are not met.

    Examples
    --------
    >>> import fer_xai
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 7))
    >>> model = fer_xai.FERModel(net, emotions="rafdb", size=8)
    >>> images = torch.rand(2, 3, 8, 8)
    >>> explanation = fer_xai.explain(model, images, method="saliency")
    >>> frame = evaluate(model, images, explanation, ["deletion", "gini"])
    >>> frame[["id", "method", "metric"]].to_numpy().tolist()[::2]
    [['0', 'saliency', 'deletion'], ['0', 'saliency', 'gini']]
    """
    if isinstance(metrics, str):
        raise InputError(f"Expected a list of metrics, got one name: pass [{metrics!r}].")
    specs = [_spec(entry) for entry in metrics]
    counts = Counter(spec.name for spec in specs)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise InputError(f"Expected each metric once, got {', '.join(twice)} several times.")
    named = _named(explanations)
    known, emotions, take, size = _faces(faces, named)
    n = len(known)
    ids = known if ids is None else check_ids(ids, n)
    for name, explanation in named.items():
        check_length(f"maps of {name!r}", len(explanation.maps), n)
        if isinstance(faces, Faces) and explanation.ids not in (None, tuple(known)):
            raise InputError(
                f"Expected explanations of these faces in this order, got those of others for "
                f"{name!r}: explain the same faces."
            )
        if tuple(explanation.maps.shape[1:]) != size:
            raise InputError(
                f"Expected maps of {name!r} at the images' size {size}, got "
                f"{tuple(explanation.maps.shape[1:])}: explain the same images."
            )
    explain = explain or {}
    check_needs(specs, named, regions=regions, areas=areas, explain=explain, fills=fills or {})
    if regions is not None:
        check_length("sets of regions", len(regions), n)
    for name, images in (fills or {}).items():
        check_length(f"images of the fill {name!r}", len(images), n)
    check_count("chunk", chunk)
    predictor = predictor_of(model)
    for explanation in named.values():
        predictor.model.columns(check_targets(explanation.targets, n))
    area_of = check_areas(areas, n, size, [one.targets for one in named.values()])
    if calibration is None and any("calibration" in spec.needs for spec in specs):
        calibration = calibration_images(ids, take)
    aligned = any("areas" in spec.needs for spec in specs)
    undefined_of = {name: explanation.undefined for name, explanation in named.items()}
    parts = []
    with counted("faces scored", n, progress) as done:
        for start in range(0, n, chunk):
            rows = slice(start, min(start + chunk, n))
            part_regions = None if regions is None else regions[rows]
            cache = ScoreCache(
                predictor,
                take(rows),
                ids=ids[rows],
                seed=seed,
                fills={name: images[rows] for name, images in (fills or {}).items()},
                regions=part_regions,
            )
            for name, explanation in named.items():
                maps = explanation.maps[rows]
                undefined = undefined_of[name][rows].to(maps.device)
                offered = {
                    "model": cache,
                    "images": cache.images,
                    "maps": torch.where(undefined[:, None, None], 0, maps).to(predictor.device),
                    "targets": explanation.targets[rows],
                    "regions": part_regions,
                    "areas": area_of(rows, explanation.targets[rows]) if aligned else None,
                    "explain": explain.get(name),
                    "calibration": calibration,
                    "ids": ids[rows],
                    "seed": seed,
                }
                parts.append(
                    _rows(
                        specs,
                        offered,
                        name=name,
                        emotions=emotions[rows],
                        ids=ids[rows],
                        undefined=undefined.cpu(),
                    )
                )
            done(rows.stop - rows.start)
    columns = ["id", "emotion", "target", "method", "metric", "value", "undefined"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _spec(entry: object) -> MetricSpec:
    if isinstance(entry, str):
        return METRICS[entry]
    if not isinstance(entry, MetricSpec):
        raise InputError(
            f"Expected metrics as names or as metrics.MetricSpec, got {type(entry).__name__}: wrap "
            "a function of yours in a MetricSpec, which says what it needs."
        )
    return entry


def calibration_images(ids: Sequence[str], take: Callable[[Any], Tensor]) -> Tensor:
    """At most 128 images of faces, drawn by their ids alone, whatever their order.

    Examples
    --------
    >>> images = torch.rand(3, 3, 2, 2)
    >>> one = calibration_images(["a", "b", "c"], lambda rows: images[rows])
    >>> other = calibration_images(["c", "b", "a"], lambda rows: images.flip(0)[rows])
    >>> torch.equal(one, other)
    True
    """
    drawn = sorted(range(len(ids)), key=lambda place: (_lot(ids[place]), place))
    return take(drawn[:CALIBRATION])


def _lot(face: str) -> int:
    return seed_of("calibration", face)


def _rows(
    specs: Sequence[MetricSpec],
    offered: Mapping[str, Any],
    *,
    name: str,
    emotions: Sequence[str],
    ids: Sequence[str],
    undefined: Tensor,
) -> pd.DataFrame:
    """Values of one explanation of a chunk of faces; NaN where the map is undefined."""
    results = SharedResults(offered)
    targets = [EMOTIONS[target] for target in offered["targets"].tolist()]
    parts = []
    for spec in specs:
        result = results.of(spec)
        found = getattr(result, spec.read) if spec.read else result
        values = torch.as_tensor(found).cpu().double()
        if values.shape != (len(ids),):
            raise InputError(
                f"Expected one value a face of {spec.name}, {len(ids)}, got {tuple(values.shape)}."
            )
        values = torch.where(undefined, torch.nan, values)
        parts.append(
            pd.DataFrame(
                {
                    "id": list(ids),
                    "emotion": list(emotions),
                    "target": targets,
                    "method": name,
                    "metric": spec.name,
                    "value": values.numpy(),
                    "undefined": undefined.numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _named(
    explanations: Explanation | Sequence[Explanation] | Mapping[str, Explanation],
) -> dict[str, Explanation]:
    if isinstance(explanations, Mapping):
        return {name: _explanation(one) for name, one in explanations.items()}
    several = [explanations] if isinstance(explanations, Explanation) else explanations
    listed = [_explanation(one) for one in several]
    names = [explanation.method for explanation in listed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"Expected each method once, got {', '.join(twice)} several times: hand explanations "
            "in as a dict, by names of your own."
        )
    return dict(zip(names, listed, strict=True))


def _explanation(given: object) -> Explanation:
    if not isinstance(given, Explanation):
        raise InputError(
            f"Expected explanations, got {type(given).__name__}: make them with fer_xai.explain, "
            "or of maps of your own with fer_xai.types.Explanation."
        )
    return given


def _images_of(faces: Faces, side: int, rows: Any) -> Tensor:
    """Images ``(n, 3, side, side)`` of some faces, read when they are asked for."""
    return faces.pixels(side, rows).float() / 255


def _faces(
    faces: Faces | Tensor, named: Mapping[str, Explanation]
) -> tuple[list[str], list[str], Callable[[Any], Tensor], tuple[int, int]]:
    """Ids, emotions, how to get the images of some, and their size."""
    if isinstance(faces, Tensor):
        images = check_images(faces)
        names = [str(index) for index in range(len(images))]
        height, width = images.shape[-2:]
        return names, [""] * len(images), lambda rows: images[rows], (height, width)
    if not isinstance(faces, Faces):
        raise InputError(
            f"Expected faces, or their images as a torch tensor (N, 3, H, W) in [0, 1], got "
            f"{type(faces).__name__}."
        )
    if not named:
        raise InputError("Expected at least one explanation, got none.")
    side = next(iter(named.values())).maps.shape[-1]
    emotions = list(faces.table["emotion"])
    return list(faces.ids), emotions, partial(_images_of, faces, side), (side, side)
