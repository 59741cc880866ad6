"""Scores of one network's maps by one method, as rows: one a face and metric, one a set."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import CONTROLS, upsample
from fer_xai.emotions import EMOTIONS
from fer_xai.landmarks import REGIONS
from fer_xai.landmarks.registration import Registration
from fer_xai.perturb.moves import inside, moves
from metrics.consistency.equivariance import self_consistency
from metrics.consistency.profiles import profile_reliability, region_profiles
from metrics.consistency.separability import Separability, separability
from metrics.consistency.similarity import Similarity, permuted_excess, similarity
from metrics.consistency.structure import ssim_within_between
from metrics.core.similarity import normalised_rows
from metrics.statistics.permuting import permutation_p_value
from metrics.statistics.reliability import mean_spearman
from studies.questions.gradcam_consistency.inputs import FaceSet, NetworkMaps
from studies.questions.gradcam_consistency.shared import REASON, TOO_FEW
from studies.scoreboard.consistency import SIZE

MATCHED_TO = "gradcam"
"""The method whose maps controls imitate."""
PERMUTATIONS = 999
SSIM_PAIRS = 100


class Scorer:
    """Scores of one network's maps by one method."""

    def __init__(self, faces: FaceSet, maps: NetworkMaps) -> None:
        self.faces, self.maps = faces, maps
        self.network, self.method = maps.network, maps.method
        self.cells, self.logits = maps.cells, maps.logits
        self.labels = faces.labels
        self.predicted = torch.tensor(faces.targets)[maps.logits.argmax(dim=1)]
        self.rows: list[pd.DataFrame] = []
        self.sets: list[dict[str, Any]] = []
        self.is_control = self.method in CONTROLS
        self.same_for_all = self.is_control and CONTROLS[self.method].same_for_all

    def run(self) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, NDArray[Any]]]:
        """Rows of faces, rows of sets, and the mean registered map of each emotion."""
        faces = self.faces
        # What is one map for every face is so in the image's frame: registering it would only
        # bring in how each head is held.
        frame = faces.unregistered if self.same_for_all else faces.registration
        registered, mask = frame.apply(self._full()), frame.mask  # (N, K, 64, 64), (64, 64)
        self._facts()
        everyone = np.ones(len(self.labels), dtype=bool)
        self._fixed_targets(registered, frame, "all", everyone)
        if self.maps.common is not None:
            self._fixed_targets(registered, frame, "common", self.maps.common)
        own = self._pick(registered, self.labels)
        self._similarities(own, mask, "own")
        if not self.is_control:
            self._similarities(self._pick(registered, self.predicted), mask, "predicted")
            self._correct_only(registered, frame)
            self._unregistered()
            self._moved()
        self._profiles()
        present = [label in self.labels for label in faces.targets]
        mean = np.stack(
            [
                torch.nanmean(own[self.labels == label], dim=0).numpy()
                if here
                else np.full((SIZE, SIZE), np.nan)
                for label, here in zip(faces.targets, present, strict=True)
            ]
        ).astype(np.float16)
        return pd.concat(self.rows, ignore_index=True), pd.DataFrame(self.sets), {"mean": mean}

    def _full(self) -> Tensor:
        return upsample(self.cells, size=(SIZE, SIZE))

    def _pick(self, maps: Tensor, targets: Tensor) -> Tensor:
        """``(N, 64, 64)``: of the K maps of each face, that of its target."""
        position = torch.tensor([self.faces.targets.index(int(t)) for t in targets])
        return maps[torch.arange(len(maps)), position]

    # rows

    def _face_rows(self, metric: str, target: str, values: Iterable[float]) -> None:
        array = np.asarray(list(values) if not isinstance(values, np.ndarray) else values)
        self.rows.append(
            pd.DataFrame(
                {
                    "id": self.faces.ids,
                    "emotion": [EMOTIONS[int(label)] for label in self.labels],
                    "network": self.network.name,
                    "method": self.method,
                    "target": target,
                    "metric": metric,
                    "value": array.astype(np.float64),
                }
            )
        )

    def _set_row(
        self,
        metric: str,
        target: str,
        value: float,
        *,
        emotion: str = "all",
        subset: str = "all",
        n: int | None = None,
        against: str = "",
    ) -> None:
        self.sets.append(
            {
                "network": self.network.name,
                "architecture": self.network.architecture,
                "trained": self.network.trained,
                "method": self.method,
                "target": target,
                "subset": subset,
                "emotion": emotion,
                "against": against,
                "metric": metric,
                "value": float(value),
                "n": len(self.labels) if n is None else int(n),
            }
        )

    # parts

    def _facts(self) -> None:
        """Blank maps; accuracy; who could be registered."""
        blank = (self.cells == 0).flatten(2).all(dim=2)  # (N, K)
        own = blank[
            torch.arange(len(blank)), [self.faces.targets.index(int(x)) for x in self.labels]
        ]
        self._set_row("blank share", "fixed", float(blank.float().mean()))
        self._set_row("blank share", "own", float(own.float().mean()))
        if self.is_control:
            return
        self._face_rows("blank", "own", own.numpy())
        for name in self.faces.emotions:
            theirs = blank[self.labels == EMOTIONS.index(name)]  # (n, K)
            for target, count in zip(self.faces.targets, theirs.sum(dim=0), strict=True):
                fixed = f"fixed:{EMOTIONS[target]}"
                self._set_row("blank maps", fixed, int(count), emotion=name, n=len(theirs))
        right = (self.predicted == self.labels).numpy()
        self._face_rows("correct", "own", right)
        confidence = torch.softmax(self.logits.float(), dim=1).amax(dim=1)
        self._face_rows("confidence", "predicted", confidence.numpy())
        self._set_row("accuracy", "own", right.mean())
        for name in self.faces.emotions:
            members = (self.labels == EMOTIONS.index(name)).numpy()
            lost = int((~self.faces.registration.known.numpy() & members).sum())
            self._set_row("recall", "own", right[members].mean(), emotion=name, n=members.sum())
            self._set_row("without landmarks", "own", lost, emotion=name, n=members.sum())

    def _fixed_targets(
        self, registered: Tensor, frame: Registration, subset: str, chosen: NDArray[np.bool_]
    ) -> None:
        """The primary endpoint's parts: separability a target, with each face's influence.

        ``chosen`` ``(N,)`` or ``(N, K)`` says which faces take part. Of these, faces that the frame
        does not know are unregistered; the others that have no map to compare are undefined. The
        areas are means over the emotions that every network of the architecture has enough maps of.
        """
        targets = list(enumerate(self.faces.targets))
        chosen = np.broadcast_to(chosen.T, (len(targets), len(self.labels)))  # (K, N)

        def one(position: int) -> tuple[Separability, Similarity]:
            rows = normalised_rows(registered[:, position], frame.mask)
            defined, clusters = torch.from_numpy(chosen[position].copy()), self.faces.clusters
            found = separability(rows, self.labels, clusters=clusters, defined=defined)
            if subset in self.maps.shared:
                found = found.over(self.maps.shared[subset][position], reason=REASON)
            return found, similarity(rows, self.labels, clusters=clusters, defined=defined)

        if self.same_for_all:
            for _, target in targets:
                self._set_row("separability", f"fixed:{EMOTIONS[target]}", np.nan, subset=subset)
            return
        with ThreadPoolExecutor(max_workers=2) as pool:
            results = list(pool.map(one, [position for position, _ in targets]))
        for (position, target), (found, alike) in zip(targets, results, strict=True):
            name = f"fixed:{EMOTIONS[target]}"
            used = len(self.labels) - found.n_undefined
            unknown = int((chosen[position] & ~frame.known.numpy()).sum())
            lost = int(chosen[position].sum()) - unknown - used
            self._set_row("separability", name, found.auc, subset=subset, n=used)
            self._set_row("unregistered", name, unknown, subset=subset, n=used)
            self._set_row("undefined maps", name, lost, subset=subset, n=used)
            self._set_row("pairs compared", name, found.n_pairs, subset=subset, n=used)
            self._set_row("pairs sampled", name, found.sampled, subset=subset, n=used)
            self._set_row("excess similarity", name, alike.macro_excess, subset=subset, n=used)
            for emotion, auc in zip(found.emotions, found.per_emotion, strict=True):
                self._set_row("separability", name, auc, emotion=EMOTIONS[emotion], subset=subset)
            units = found.units_of
            for emotion in found.left_out:
                named = EMOTIONS[emotion]
                self._set_row(TOO_FEW, name, units[emotion], emotion=named, subset=subset, n=used)
            if not self.is_control or subset == "all":
                self._face_rows(f"separability influence ({subset})", name, found.influence)
            if subset == "all":
                self._matrix(alike, name)

    def _matrix(self, alike: Similarity, target: str) -> None:
        for i, first in enumerate(alike.emotions):
            for j, second in enumerate(alike.emotions):
                self._set_row(
                    "similarity",
                    target,
                    alike.matrix[i, j],
                    emotion=EMOTIONS[first],
                    against=EMOTIONS[second],
                )

    def _correct_only(self, registered: Tensor, frame: Registration) -> None:
        """The primary endpoint on faces that the *trained* network of this architecture has right.

        The untrained floor is computed on the same faces, so the difference stays paired.
        """
        if self.maps.right is not None:
            self._fixed_targets(registered, frame, "correct", self.maps.right)

    def _unregistered(self) -> None:
        """The primary endpoint on all faces, landmarks or not, as if each were the template."""
        if self.method != MATCHED_TO:
            return
        plain = self.faces.unregistered
        everyone = np.ones(len(self.labels), dtype=bool)
        self._fixed_targets(plain.apply(self._full()), plain, "template", everyone)

    def _similarities(self, maps: Tensor, mask: Tensor, target: str) -> None:
        """Descriptive likeness of maps for each face's own or predicted target."""
        for kind in ("pearson", "cosine", "spearman"):
            rows = normalised_rows(maps, mask, kind=kind)
            alike = similarity(rows, self.labels, clusters=self.faces.clusters)
            self._set_row(f"within {kind}", target, alike.macro_within)
            self._set_row(f"between {kind}", target, alike.macro_between)
            for i, emotion in enumerate(alike.emotions):
                name = EMOTIONS[emotion]
                members = (self.labels == int(emotion)).numpy()
                others = pd.Series(np.delete(alike.matrix[i], i)).mean()
                n = int(np.isfinite(alike.within[members]).sum())
                self._set_row(f"within {kind}", target, alike.matrix[i, i], emotion=name, n=n)
                self._set_row(f"between {kind}", target, others, emotion=name, n=n)
            if kind != "pearson":
                continue
            self._face_rows("within pearson", target, alike.within)
            self._face_rows("between pearson", target, alike.between)
            self._face_rows("excess pearson influence", target, alike.influence)
            self._set_row("excess pearson", target, alike.interval.estimate)
            if self.same_for_all:
                self._set_row("separability", target, np.nan)
                continue
            found = separability(rows, self.labels, clusters=self.faces.clusters)
            self._set_row("separability", target, found.auc)
            if target == "own" and self.network.trained:
                observed, shuffled = permuted_excess(
                    rows,
                    self.labels,
                    repeats=PERMUTATIONS,
                    seed=self.faces.seed,
                    blocks=self.faces.blocks,
                    clusters=self.faces.clusters,
                )
                self._set_row("excess p", target, permutation_p_value(observed, shuffled))
        if target == "own":
            pairs = ssim_within_between(
                maps,
                self.labels,
                mask,
                pairs=SSIM_PAIRS,
                seed=self.faces.seed,
                clusters=self.faces.clusters,
            )
            for k, kind in enumerate(("within", "between")):
                values = {label: pair[k] for label, pair in pairs.items()}
                self._set_row(f"{kind} ssim", target, pd.Series(values, dtype=float).mean())
                for label, value in values.items():
                    self._set_row(f"{kind} ssim", target, value, emotion=EMOTIONS[label])

    def _profiles(self) -> None:
        """Where the evidence lies, in each face's own regions, for its own target."""
        regions = self.faces.regions
        maps = self._pick(self._full(), self.labels)
        profiles = region_profiles(maps, regions)
        for index, name in enumerate(REGIONS):
            self._face_rows(f"log-gain {name}", "own", profiles[:, index].numpy())
        found = profile_reliability(profiles, self.labels, clusters=self.faces.clusters)
        for label, (icc, w, n) in found.items():
            values = {
                "profile ICC(A,1)": icc,
                "profile Kendall W": w,
                "profile mean Spearman": mean_spearman(w, n),
            }
            for metric, value in values.items():
                self._set_row(metric, "own", value, emotion=EMOTIONS[label], n=n)

    def _moved(self) -> None:
        """Does the map follow the face? On the seeded sample, for each face's own target."""
        if not self.maps.moved:
            return
        sample = torch.from_numpy(self.faces.moved)
        labels = self.labels[sample]
        position = torch.tensor([self.faces.targets.index(int(label)) for label in labels])
        each = torch.arange(len(sample))
        still = upsample(self.cells[sample], size=(SIZE, SIZE))[each, position]
        for move in moves(1.0 / self.cells.shape[-1]):
            made = upsample(self.maps.moved[move.name], size=(SIZE, SIZE))[each, position]
            found = self_consistency(
                still, made, move.place(still[:, None])[:, 0], inside(move, SIZE)
            )
            for part in ("equivariant", "unmoved", "gain"):
                values = np.full(len(self.labels), np.nan)
                values[self.faces.moved] = getattr(found, part)
                self._face_rows(f"{part} under {move.name}", "own", values)
