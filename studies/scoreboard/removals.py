"""The multiverse of removals: Grad-CAM against the centre control, under other choices.

Maps and curves are shared by the specifications that need the same: a model is run once for each
different order of pixels, fill and seed, and other outputs are read from the same logits.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.attributions.controls import centre_cells
from fer_xai.data.splits import face_groups
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import fill_named
from fer_xai.scores import Output
from fer_xai.types import Faces
from metrics.core.registry import METRICS
from metrics.core.score_cache import ScoreCache
from metrics.core.scores import ranks_of, target_scores
from metrics.core.undefined import nan_where_undefined
from metrics.faithfulness.road import FRACTIONS
from metrics.statistics.bounded import order_by_name
from metrics.statistics.mean_tests import mean_and_test
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.explained import Explained, TargetRule
from studies.engine.shards import BATCH
from studies.multiverse.factors import Factor, Levels, Multiverse, Plan, Rule, Specification
from studies.multiverse.maps import (
    LAYER,
    OUTPUT,
    SIGN,
    UPSAMPLING,
    enlarged,
    layers_of,
    signed_cells,
    with_sign,
)
from studies.multiverse.page import Asked
from studies.multiverse.summary import row_of
from studies.scoreboard.scores import FLOOR

TOGETHER = 64
"""Faces whose pixels are removed together; it changes no score."""
NOISELESS = ("blur", "mean", "black")
"""Fills that draw nothing."""

REMOVALS = Multiverse(
    claim="Grad-CAM beats the centre blob on ROAD",
    estimate="mean over faces of ROAD's combined score (half of LeRF − MoRF) of Grad-CAM, less "
    "that of the centre control",
    factors=(
        Factor(
            name="fill",
            levels=("linear", *NOISELESS),
            reason="ROAD imputes (linear, with noise), but blurred, mean and black pixels are as "
            "common in removal curves.",
        ),
        Factor(
            name="target",
            levels=("predicted", "true"),
            reason="One asks why the model said what it said, the other where it looks for what "
            "the face shows.",
        ),
        Factor(
            name="scored",
            levels=("probability", "logit", "log_probability"),
            reason="A probability saturates where a logit does not; curves are drawn of each.",
        ),
        OUTPUT,
        UPSAMPLING,
        Factor(
            name="width",
            levels=(0.25, 0.125, 0.5),
            reason="The centre control's standard deviation is a quarter of the image's side by "
            "habit; half and twice of it are blobs on the face's centre as well.",
        ),
        LAYER,
        SIGN,
        Factor(
            name="seed",
            levels=(0, 1),
            reason="Noise of the imputation and the order of ties are drawn: another draw is as "
            "good (it is added to --seed).",
        ),
    ),
    rules=(
        Rule(
            when=("upsampling", ("nearest",)),
            without_effect="width",
            reason="Cells of one Gaussian have the same order at every width, so pixels do, too.",
        ),
        Rule(
            when=("fill", NOISELESS),
            without_effect="seed",
            reason="No noise is drawn: only ties would be ordered otherwise.",
        ),
    ),
)
"""What is declared of the claim that Grad-CAM beats the centre control."""


class Removals:
    """Scores of specifications of :data:`REMOVALS` for one model.

    Parameters
    ----------
    predictor
        The model.
    faces
        Labelled faces.
    seed
        The study's seed.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "surprise"], size=16, cam_layer="1")
    >>> removals = Removals(Predictor(model, device="cpu"), synthetic_faces(2, size=16), seed=0)
    >>> default = removals.asked(REMOVALS, model="tiny").plan.specifications[0]
    >>> removals.scores(default).columns.tolist()
    ['id', 'gradcam', 'centre']
    """

    def __init__(self, predictor: Predictor, faces: Faces, *, seed: int) -> None:
        self.predictor, self.faces, self.seed = predictor, faces, seed
        self.explained = Explained(predictor, faces, seed=seed)
        self.layers, self.absent = layers_of(predictor)
        self._cells: dict[Hashable, Tensor] = {}
        self._logits: dict[Hashable, list[Tensor]] = {}

    def asked(self, multiverse: Multiverse, *, model: str) -> Asked:
        """The plan of this model, and how its specifications are scored."""
        clusters = list(face_groups(self.faces))

        def judge(one: Specification, rows: pd.DataFrame) -> dict[str, Any]:
            gains = rows["gradcam"] - rows["centre"]
            order = order_by_name(rows["id"])
            found, p = mean_and_test(
                gains.iloc[order],
                clusters=[clusters[at] for at in order],
                bounds=bounds_of(one.levels),
            )
            spread = float(gains.groupby(clusters).mean().std(ddof=1))
            return row_of(
                one, found, p_value=p, model=model, spread=spread, faces=int(gains.count())
            )

        plan = multiverse.plan(seed=self.seed, absent=self.absent)
        return Asked(
            plan=plan, make=self.scores, judge=judge, made_of=self.made_of(multiverse, plan)
        )

    def made_of(self, multiverse: Multiverse, plan: Plan) -> dict[str, Any]:
        """Dependencies of the rows (see :func:`~studies.engine.shards.check_made_of`)."""
        predictor = self.predictor
        fills = [fill_named(str(level)) for level in multiverse.factor("fill").levels]
        return {
            "model": model_digest(predictor.model),
            **faces_digests(self.faces, [predictor.model.size]),
            "methods": code_digest([ATTRIBUTIONS["gradcam"], CONTROLS[FLOOR]]),
            "metric": code_digest([METRICS["road"]]),
            "fills": code_digest(fills),
            "multiverse": multiverse.described(),
            "layers": {str(level): name for level, name in self.layers.items()},
            "specifications": [one.key for one in plan.specifications],
            "seed": self.seed,
            "precision": predictor.precision,
            "device": predictor.device.type,
            BATCH: predictor.batch_size,
        }

    def scores(self, one: Specification) -> pd.DataFrame:
        """A row a face: the combined score of Grad-CAM and of the centre control."""
        levels = one.levels
        rule = cast("TargetRule", levels["target"])
        targets = self.faces.labels if rule == "true" else self.explained.predicted
        cells = self._signed(levels, targets)
        control = centre_cells(
            (cells.shape[-2], cells.shape[-1]), sigma=float(levels["width"])
        ).expand_as(cells)
        drawn = ("fill", "seed", "upsampling")
        made = ("target", "explained", "layer", "sign")
        both = {
            "gradcam": (with_sign(cells, levels), [*drawn, *made]),
            "centre": (control, [*drawn, "width"]),
        }
        scores = {
            name: self._combined(
                some, levels, targets, (name, *some.shape[-2:], *(levels[key] for key in keys))
            )
            for name, (some, keys) in both.items()
        }
        return pd.DataFrame({"id": self.faces.ids, **scores})

    def _signed(self, levels: Levels, targets: Tensor) -> Tensor:
        """Cells ``(N, 1, h, w)`` of Grad-CAM without its ReLU, made once for each target."""
        key = tuple(levels[name] for name in ("layer", "explained", "target"))
        if key not in self._cells:
            self._cells[key] = signed_cells(
                self.predictor,
                self.faces,
                self.predictor.model.columns(targets)[:, None],
                layer=self.layers[levels["layer"]],
                output=cast("Output", levels["explained"]),
            )
        return self._cells[key]

    def _combined(
        self, cells: Tensor, levels: Levels, targets: Tensor, key: Hashable
    ) -> Sequence[float]:
        """ROAD's combined score of each face, with the fill and output of the levels."""
        parts = []
        for number, start in enumerate(range(0, len(self.faces), TOGETHER)):
            rows = slice(start, start + TOGETHER)
            cache = ScoreCache(
                self.predictor,
                self.explained.images(rows),
                ids=self.faces.ids[rows],
                seed=self.seed + int(levels["seed"]),
            )
            maps = enlarged(cells[rows], levels, size=self.explained.size)[:, 0]
            known = self._logits.setdefault(key, [])
            if number == len(known):
                known.append(_removed(cache, maps, fill=str(levels["fill"])))
            output = cast("Output", levels["scored"])
            least, most = (
                nan_where_undefined(target_scores(cache, one, targets[rows], output), maps)
                for one in known[number]
            )
            parts.append((least.mean(dim=1) - most.mean(dim=1)) / 2)
        return torch.cat(parts).double().tolist()


def bounds_of(levels: Levels) -> tuple[float, float] | None:
    """Smallest and largest gain that a face can have; None where a score has no bounds.

    Examples
    --------
    >>> bounds_of({"scored": "probability"}), bounds_of({"scored": "logit"})
    ((-1.0, 1.0), None)
    """
    low, high = METRICS["road"].bounds
    return (low - high, high - low) if levels["scored"] == "probability" else None


def _removed(cache: ScoreCache, maps: Tensor, *, fill: str) -> Tensor:
    """Logits ``(2, B, S, C)``: the least relevant pixels first, and the most relevant first."""
    ranks = ranks_of(cache, maps)
    counts = [round(fraction * cache.pixels) for fraction in FRACTIONS]
    return torch.stack(
        [
            cache.removed(ranks, counts, fill=fill, order="lerf"),
            cache.removed(ranks, counts, fill=fill, order="morf"),
        ]
    )
