"""Marked faces, networks that read such marks and nothing else, and where maps find them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai import explain
from fer_xai.attributions.api import counting_maps
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.shapley import coalition_scores
from fer_xai.coalitions import interaction_index
from fer_xai.emotions import EMOTIONS
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS
from fer_xai.models.planted import CYAN, MAGENTA, Rule, marked, planted_model
from metrics.core.similarity import region_sums

SHAPLEY = "region_shapley"
RULES: tuple[Rule, ...] = ("one", "xor")
"""Rules of the planted networks."""
PLANTS = {
    "one mark": "the network reads one mark, and one region holds it",
    "XOR, one shown": "it reads two marks in XOR, and one region holds one of them",
    "XOR, both shown": "both are there and cancel: found if the pair is on top",
}


class Plant:
    """Marked faces, the network that reads the marks, and how its regions are found."""

    def __init__(self, plant: str, images: Tensor, regions: Tensor) -> None:
        self.plant = plant
        self.pair = plant == "XOR, both shown"
        self.predictor = Predictor(
            planted_model("one" if plant == "one mark" else "xor"), device="cpu", batch_size=16
        )
        pictures, masks, truth, owners = [], [], [], []
        for face, own in enumerate(regions):
            present = [r for r in range(len(REGIONS)) if bool(own[r].any())]
            for place, region in enumerate(present):
                other = present[(place + 2) % len(present)]
                picture = marked(images[face : face + 1], own[region][None], MAGENTA)[0]
                if self.pair:
                    picture = marked(picture[None], own[other][None], CYAN)[0]
                pictures.append(picture)
                masks.append(own)
                truth.append((region, other if self.pair else region))
                owners.append(face)
        self.images, self.regions = torch.stack(pictures), torch.stack(masks)
        self.truth = torch.tensor(truth)  # (N, 2)
        self.owners = owners  # which face each picture is of
        self.ids = [
            f"{face:04d}-{REGIONS[region]}" for face, (region, _) in zip(owners, truth, strict=True)
        ]
        self.targets = torch.full((len(self.images),), EMOTIONS.index("happiness"))

    @counting_maps()
    def scores(self, name: str, *, seed: int) -> dict[str, NDArray[Any]]:
        """Largest value and sum a region, ``(N, R)``; for exact Shapley pairs', ``(N, R, R)``."""
        if name == SHAPLEY and self.pair:
            columns = self.predictor.model.columns(self.targets)[:, None]
            question = Question(
                images=self.images,
                columns=columns,
                keys=tuple(range(len(self.images))),
                regions=self.regions,
            )
            worth = coalition_scores(self.predictor, question, fill="blur")[:, 0]
            return {"pairs": interaction_index(worth).abs().numpy()}
        found = explain(
            self.predictor,
            self.images,
            method=name,
            targets=self.targets,
            regions=self.regions,
            ids=self.ids,
            seed=seed,
        )
        size = found.defined_maps.abs()
        top = torch.where(self.regions, size[:, None], -1.0).flatten(2).amax(dim=2)  # (N, R)
        return {"values": top.numpy(), "sums": region_sums(size, self.regions).numpy()}

    def rows(self, name: str, found: dict[str, NDArray[Any]]) -> pd.DataFrame:
        """Whether each face's planted regions are found, and the share that they are given."""
        truth = self.truth.numpy()
        if "pairs" in found:
            flat = found["pairs"].reshape(len(truth), -1)
            top = np.stack(np.divmod(flat.argmax(axis=1), len(REGIONS)), axis=1)
            hit = (np.sort(top, axis=1) == np.sort(truth, axis=1)).all(axis=1)
            hit &= flat.max(axis=1) > 0
            own = found["pairs"][np.arange(len(truth)), truth[:, 0], truth[:, 1]]
            total = flat.sum(axis=1) / 2
        else:
            values, sums = (np.nan_to_num(found[key], nan=-1.0) for key in ("values", "sums"))
            order = np.argsort(-values, axis=1, kind="stable")
            wanted = 2 if self.pair else 1
            hit = np.array(
                [
                    set(order[i, :wanted]) == set(truth[i, :wanted].tolist())
                    and values[i].max() > 0
                    for i in range(len(truth))
                ]
            )
            picked = np.take_along_axis(sums, truth[:, :wanted], axis=1)
            own, total = picked.sum(axis=1), sums.clip(min=0).sum(axis=1)
            undefined = np.isnan(found["values"]).any(axis=1)
            hit = np.where(undefined, np.nan, hit)
            own = np.where(undefined, np.nan, own)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(total > 0, own / total, np.nan)
        return pd.DataFrame(
            {
                "id": self.ids,
                "face": self.owners,
                "plant": self.plant,
                "attribution": name,
                "found": hit.astype(float),
                "share": share,
            }
        )
