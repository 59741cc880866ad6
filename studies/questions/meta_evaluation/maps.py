"""Maps whose quality is known, or that were made for another network: what metrics are asked of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from fer_xai.data.datasets.synthetic import PEOPLE_SIZE as SIZE
from fer_xai.data.datasets.synthetic import people
from fer_xai.draws.streams import streams
from fer_xai.emotions import EMOTIONS
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models import FERModel
from fer_xai.models.planted import CYAN, MAGENTA, marked, planted_model
from fer_xai.types import Explanation, Faces
from metrics.core.registry import MetricSpec
from metrics.evaluation import evaluate
from metrics.randomisation.random_networks import randomised
from studies.engine.explained import Explained
from studies.questions.meta_evaluation.report import SLIGHT

CHUNK = 8
"""Faces that are scored together."""
Scorer = Callable[[Sequence[MetricSpec], Callable[[int], None]], pd.DataFrame]
"""From metrics, and what to call with the number of faces done, to rows."""


class PlantedMaps:
    """Marked faces of a planted network, and maps of known quality.

    All images are held: they are a few built-in faces, each of which is scored several times.
    """

    def __init__(self, n: int, *, seed: int, device: str) -> None:
        self.faces = people(n, seed=seed)
        faces = self.faces
        images = faces.pixels(SIZE).float() / 255
        regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
        pictures, truths, others = [], [], []
        for face, own in enumerate(regions):
            present = [r for r in range(len(REGIONS)) if bool(own[r].any())]
            one, two = (present[(face + shift) % len(present)] for shift in (0, len(present) // 2))
            before = images[face : face + 1]
            with_one = marked(before, own[one][None], MAGENTA)
            with_two = marked(with_one, own[two][None], CYAN)
            truths.append((with_one != before).any(dim=1)[0])
            others.append((with_two != with_one).any(dim=1)[0])
            pictures.append(with_two[0])
        self.images, self.regions = torch.stack(pictures), regions
        self.seed = seed
        self.predictor = Predictor(planted_model("one"), device=device, batch_size=16)
        self.targets = torch.full((n,), EMOTIONS.index("happiness"))
        truth, other = (_soft(torch.stack(masks)) for masks in (truths, others))
        noise = streams((seed, name, "noise") for name in faces.ids).rand(8, 8)
        noise = tv.resize(noise, [SIZE, SIZE], antialias=True)
        # a trace of noise orders what would otherwise be tied at zero, for all maps alike
        self.maps = {
            "truth": truth + 0.05 * noise,
            "half the truth": 0.5 * truth + 0.5 * noise,
            "noise": noise,
            "distractor": other + 0.05 * noise,
            "inverted truth": -truth - 0.05 * noise,
        }

    def scores(self, specs: Sequence[MetricSpec], progress: Callable[[int], None]) -> pd.DataFrame:
        """Rows of metrics, which share what they have in common."""
        made = {
            name: _explanation(maps, self.targets, self.predictor, name)
            for name, maps in self.maps.items()
        }
        frame = evaluate(
            self.predictor,
            self.images,
            made,
            specs,
            regions=self.regions,
            seed=self.seed,
            chunk=CHUNK,
            progress=progress,
        )
        return frame.drop(columns=["emotion", "target"])


class TrainedMaps:
    """Maps of a trained network, scored as they are and under changes.

    All images are held: they are a few built-in faces, each of which is scored several times.
    """

    def __init__(
        self, faces: Faces, model: FERModel, *, methods: Sequence[str], seed: int, device: str
    ) -> None:
        self.faces, self.seed = faces, seed
        self.predictor = Predictor(model, device=device, batch_size=16)
        explained = Explained(self.predictor, faces, size=SIZE, seed=seed)
        assert explained.regions is not None  # built-in faces have landmarks
        self.images, self.regions = explained.images(), explained.regions
        self.made = {name: explained.explanation(name) for name in methods}
        noise = streams((seed, face, "slight") for face in faces.ids).rand(3, SIZE, SIZE)
        self.slight = (self.images + SLIGHT * (2 * noise - 1)).clamp(0, 1)
        random = randomised(self.predictor.model, seed=seed, images=self.images)
        self.random = Predictor(random, device=device, batch_size=16)

    def scorer(self, part: str) -> Scorer:
        """What scores metrics under a change."""
        predictor = self.random if part == "random" else self.predictor
        images = self.slight if part == "slight" else self.images

        def scores(specs: Sequence[MetricSpec], progress: Callable[[int], None]) -> pd.DataFrame:
            frame = evaluate(
                predictor,
                images,
                self.made,
                specs,
                regions=self.regions,
                seed=self.seed,
                chunk=CHUNK,
                progress=progress,
            )
            return frame.drop(columns=["emotion", "target"])

        return scores


def _soft(masks: Tensor) -> Tensor:
    """Masks ``(N, H, W)`` with soft rims, largest value 1."""
    soft = tv.gaussian_blur(masks.float(), [7, 7], [1.5, 1.5])
    return soft / soft.amax(dim=(1, 2), keepdim=True)


def _explanation(maps: Tensor, targets: Tensor, predictor: Predictor, name: str) -> Explanation:
    logits = torch.zeros(len(maps), len(predictor.emotions))
    return Explanation(
        maps=maps,
        targets=targets,
        logits=logits,
        emotions=predictor.emotions,
        method=name,
        params={},
    )
