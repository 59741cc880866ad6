"""Which metrics of explanations can be trusted?"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS, explain
from fer_xai.attributions.explaining import INVERSE
from fer_xai.checks import check_number, resolve_device
from fer_xai.data import load_dataset
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.landmarks import REGIONS, face_regions, skin_fill
from fer_xai.models import load_model
from fer_xai.models.plants import CYAN, MAGENTA, marked, planted_model
from fer_xai.probe import Probe
from fer_xai.seeding import generator
from fer_xai.types import Explanation, Faces
from metrics.evaluation import evaluate
from metrics.random_networks import randomised
from metrics.spec import METRICS, MetricSpec
from metrics.statistics import Interval, mean_interval
from studies import store
from studies.people import SIZE, people
from studies.progress import progress_bar
from studies.registry import QUESTIONS, STUDIES
from studies.report import Picture, Table, write_page
from studies.scoreboard_tables import bounds, sign
from studies.style import INK, TRAINED, style

GRADES = {"truth": 4, "half the truth": 3, "noise": 2, "distractor": 2, "inverted truth": 1}
"""Maps of a planted network and how good they are; a distractor is a mark that it does not read."""
BLIND = ("inverted truth",)
"""Maps that a metric which does not see the sign cannot place."""
SLIGHT = 0.01
"""Uniform noise of a change that should change no metric, in [0, 1] pixel values."""


@STUDIES.register("meta_evaluation")
@dataclass(frozen=True, kw_only=True)
class MetaEvaluation:
    """Which metrics of explanations can be trusted?

    Three questions to each metric, after Hedström et al., "The meta-evaluation problem in
    explainable AI" (TMLR 2023). Truth: does it order maps of a planted network as their known
    quality does (Somers' d over truth, half of it, noise, a distractor, and the inverse)? Noise
    resilience: does it order a trained network's maps alike when the faces are changed by a trifle
    (Spearman)? Adversary reactivity: does it order the same maps otherwise when the network is made
    random (1 − Spearman), and by more than the trifle does?
    """

    name: ClassVar[str] = "meta_evaluation"

    metrics: tuple[str, ...] = ()
    """Names of metrics; by default all that need no further maps."""
    methods: tuple[str, ...] = (
        "gradcam",
        "eigencam",
        "saliency",
        "input_x_gradient",
        "integrated_gradients",
        "guided_backprop",
        "random",
        "centre",
    )
    """Maps of the trained network that are ordered, three or more."""
    model: str = "gimefive"
    """The trained network, with weights for built-in faces."""
    faces: int = 24
    """Built-in faces of each kind."""
    seed: int = 0
    """Of everything random."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    out: Path = Path("results")
    """Results go to OUT/meta_evaluation/<run>."""
    progress: bool = True
    """Show progress bars."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown metric or method, one that needs an explainer or refuses the network, or
            too few faces or methods.
        """
        self._check()
        specs = self._specs()
        config = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ("out", "progress")
        } | {"metrics": list(specs), "device": resolve_device(self.device).type}
        model = load_model(self.model, weights="synthetic")
        planted = _Planted(self.faces, self.seed, self.device)
        trained = _Trained(self, model)
        inputs = {
            "weights": store.state_digest(model),
            "faces": [part.faces.fingerprint(SIZE) for part in (planted, trained)],
        }
        folder = self.out / self.name / f"synthetic-{store.digest([config, inputs])}"
        manifest = store.open_run(folder, config, inputs)
        started = time.perf_counter()
        with progress_bar(shown=self.progress) as bar:
            task = bar.add_task("metrics", total=len(specs) * 4)

            def scored(part: str, made: Any) -> pd.DataFrame:
                tables = []
                for name, spec in specs.items():
                    path = folder / "shards" / part / f"{name}.parquet"
                    tables.append(store.once_table(path, partial(made, spec)))
                    bar.advance(task)
                return pd.concat(tables, ignore_index=True)

            truth = scored("truth", planted.scores)
            base, slight, random = (
                scored(part, trained.scorer(part)) for part in ("as it is", "slight", "random")
            )
        rows = pd.concat(
            [part.assign(part=name, cluster=part["id"].map(_persons(made.faces)))
             for name, part, made in
             (("truth", truth, planted), ("as it is", base, trained), ("slight", slight, trained),
              ("random", random, trained))],
            ignore_index=True,
        )  # fmt: skip
        store.write_table(folder / "scores.parquet", rows)
        table = meta_table(rows, specs)
        _write(folder, manifest, table, self)
        manifest["seconds"] = round(manifest.get("seconds", 0) + time.perf_counter() - started, 1)
        manifest["status"] = "complete"
        store.write_json(folder / "manifest.json", manifest)
        return folder

    def _check(self) -> None:
        check_number("--seed", self.seed, 0, ends=True)
        if self.faces < 2:
            raise InputError(f"Expected two faces or more, got {self.faces}.")
        for name in self.methods:
            if name.removeprefix(INVERSE) not in CONTROLS:
                ATTRIBUTIONS[name.removeprefix(INVERSE)]
        if len(set(self.methods)) < max(3, len(self.methods)):
            raise InputError(
                "Expected three methods or more, each once, whose maps can be ordered, got "
                f"{', '.join(self.methods) or 'none'}."
            )
        resolve_device(self.device)

    def _specs(self) -> dict[str, MetricSpec]:
        """Metrics that can be asked."""
        named = [METRICS[name] for name in self.metrics or METRICS]
        able = [s for s in named if "explain" not in s.needs and s.higher_is_better is not None]
        if self.metrics and len(able) < len(named):
            lost = ", ".join(spec.name for spec in named if spec not in able)
            raise InputError(
                f"Expected metrics that judge maps handed in, but {lost} make maps of their own, "
                "or do not judge: leave them out."
            )
        return {spec.name: spec for spec in able}


class _Planted:
    """Marked faces of a planted network, and maps of known quality."""

    def __init__(self, n: int, seed: int, device: str) -> None:
        self.faces = people(n, seed=seed)
        faces = self.faces
        images = faces.pixels(SIZE).float() / 255
        regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
        pictures, truths, others = [], [], []
        for face, own in enumerate(regions):
            held = [r for r in range(len(REGIONS)) if bool(own[r].any())]
            one, two = (held[(face + shift) % len(held)] for shift in (0, len(held) // 2))
            before = images[face : face + 1]
            with_one = marked(before, own[one][None], MAGENTA)
            with_two = marked(with_one, own[two][None], CYAN)
            truths.append((with_one != before).any(dim=1)[0])
            others.append((with_two != with_one).any(dim=1)[0])
            pictures.append(with_two[0])
        self.images, self.regions = torch.stack(pictures), regions
        self.seed = seed
        self.probe = Probe(planted_model("one"), device=device, batch_size=16)
        self.targets = torch.full((n,), EMOTIONS.index("happiness"))
        truth, other = (_soft(torch.stack(masks)) for masks in (truths, others))
        noise = torch.stack(
            [torch.rand(8, 8, generator=generator(seed, name, "noise")) for name in faces.ids]
        )
        noise = tv.resize(noise, [SIZE, SIZE], antialias=True)
        # a trace of noise orders what would otherwise be tied at zero, for all maps alike
        self.maps = {
            "truth": truth + 0.05 * noise,
            "half the truth": 0.5 * truth + 0.5 * noise,
            "noise": noise,
            "distractor": other + 0.05 * noise,
            "inverted truth": -truth - 0.05 * noise,
        }

    def scores(self, spec: MetricSpec) -> pd.DataFrame:
        """Rows of one metric."""
        made = {name: _explanation(maps, self.targets, self.probe, name)
                for name, maps in self.maps.items()}  # fmt: skip
        frame = evaluate(
            self.probe, self.images, made, [spec], regions=self.regions, seed=self.seed,
            fills={"skin": skin_fill(self.images, self.regions)},
        )  # fmt: skip
        return frame.drop(columns=["emotion", "target"])


class _Trained:
    """Maps of a trained network, scored as they are and under changes."""

    def __init__(self, study: MetaEvaluation, model: Any) -> None:
        self.seed = study.seed
        self.faces: Faces = load_dataset(
            "synthetic", emotions=SIX, limit=study.faces, seed=study.seed
        )
        self.images = self.faces.pixels(SIZE).float() / 255
        self.regions = face_regions(self.faces.landmarks_at(SIZE), size=SIZE)
        self.probe = Probe(model, device=study.device, batch_size=16)
        self.targets = self.probe.model.canonical(self.probe.logits(self.images).argmax(dim=1))
        self.made = {
            name: explain(
                self.probe, self.images, method=name, targets=self.targets, regions=self.regions,
                ids=self.faces.ids, seed=study.seed,
            )
            for name in study.methods
        }  # fmt: skip
        noise = torch.stack([
            torch.rand(3, SIZE, SIZE, generator=generator(study.seed, face, "slight"))
            for face in self.faces.ids
        ])  # fmt: skip
        self.slight = (self.images + SLIGHT * (2 * noise - 1)).clamp(0, 1)
        random = randomised(self.probe.model, seed=study.seed, images=self.images)
        self.random = Probe(random, device=study.device, batch_size=16)

    def scorer(self, part: str) -> Any:
        """What scores one metric under a change."""
        probe = self.random if part == "random" else self.probe
        images = self.slight if part == "slight" else self.images

        def scores(spec: MetricSpec) -> pd.DataFrame:
            frame = evaluate(
                probe, images, self.made, [spec], regions=self.regions, seed=self.seed,
                fills={"skin": skin_fill(images, self.regions)},
            )  # fmt: skip
            return frame.drop(columns=["emotion", "target"])

        return scores


def _persons(faces: Faces) -> dict[str, str]:
    """The person of each face, by its place."""
    return {str(place): str(who) for place, who in enumerate(faces.table["subject"])}


def _soft(masks: Tensor) -> Tensor:
    """Masks ``(N, H, W)`` with soft rims, largest value 1."""
    soft = tv.gaussian_blur(masks.float(), [7, 7], [1.5, 1.5])
    return soft / soft.amax(dim=(1, 2), keepdim=True)


def _explanation(maps: Tensor, targets: Tensor, probe: Probe, name: str) -> Explanation:
    logits = torch.zeros(len(maps), len(probe.emotions))
    return Explanation(
        maps=maps, targets=targets, logits=logits, emotions=probe.emotions, method=name, params={}
    )


def meta_table(rows: pd.DataFrame, specs: dict[str, MetricSpec]) -> pd.DataFrame:
    """One row a metric: its three answers with intervals over persons, the truthful first."""
    out = []
    persons = {
        part: some.drop_duplicates("id").set_index("id")["cluster"]
        for part, some in rows.groupby("part", sort=False)
    }
    for name, spec in specs.items():
        own = rows[rows["metric"] == name]
        wide = {
            str(part): sign(spec) * some.pivot_table(
                index="id", columns="method", values="value", sort=False, dropna=False
            )
            for part, some in own.groupby("part", sort=False)
        }  # fmt: skip
        graded = wide["truth"]
        known = [g for g in GRADES if not (spec.sign_blind and g in BLIND)]
        truth = graded[known].apply(_somers_d, axis=1)
        row: dict[str, Any] = {"metric": name, "family": spec.family}
        row |= bounds("truth", _interval(truth, persons["truth"]))
        row["truth over noise"] = _better(graded["truth"], graded["noise"])
        row["truth over inverse"] = (
            np.nan if spec.sign_blind else _better(graded["truth"], graded["inverted truth"])
        )
        same = _agreements(wide["as it is"], wide["slight"])
        other = _agreements(wide["as it is"], wide["random"])
        for told, values in (
            ("noise resilience", same),
            ("adversary reactivity", 1 - other),
            ("reactivity over noise", same - other),
        ):
            row |= bounds(told, _interval(values, persons["as it is"]))
        row["undefined"] = float(own["value"].isna().mean())
        out.append(row)
    table = pd.DataFrame(out)
    return table.sort_values(["truth", "noise resilience"], ascending=False).reset_index(drop=True)


def _somers_d(scores: pd.Series) -> float:
    """Somers' d of a face's scores given the maps' grades: (C − D) / pairs of unequal grade.

    Pairs that the scores order rightly, less those that they order wrongly; scores that are alike
    are neither (Somers, American Sociological Review 1962). NaN where no two grades are scored.
    """
    known = scores.dropna()
    grades = np.array([GRADES[str(name)] for name in known.index])
    values = known.to_numpy(dtype=float)
    right = np.sign(np.subtract.outer(grades, grades) * np.subtract.outer(values, values))
    told = np.not_equal.outer(grades, grades)
    return float(right[told].mean()) if told.any() else float("nan")


def _interval(values: pd.Series, persons: pd.Series) -> Interval:
    """Mean over faces, clustered by person; both are indexed by face."""
    return mean_interval(values, clusters=list(persons.loc[list(values.index)]))


def _better(one: pd.Series, two: pd.Series) -> float:
    """Share of faces in which one scores above two; ties count half."""
    gap = (one - two).dropna()
    return float(((gap > 0) + 0.5 * (gap == 0)).mean()) if len(gap) else float("nan")


def _agreements(one: pd.DataFrame, two: pd.DataFrame) -> pd.Series:
    """Spearman of each face's order of maps, under two conditions."""
    found = {}
    for face in one.index:
        a, b = one.loc[face].to_numpy(dtype=float), two.loc[face].to_numpy(dtype=float)
        fine = np.isfinite(a) & np.isfinite(b)
        constant = fine.sum() < 3 or np.ptp(a[fine]) == 0 or np.ptp(b[fine]) == 0
        found[face] = np.nan if constant else stats.spearmanr(a[fine], b[fine]).statistic
    return pd.Series(found, dtype=float)


def believable(table: pd.DataFrame) -> pd.Series:
    """Metrics that pass all three questions, by their rows of :func:`meta_table`."""
    return (
        (table["truth low"] > 0.5)
        & (table["noise resilience low"] > 0.5)
        & (table["adversary reactivity"] >= 0.5)
        & (table["reactivity over noise low"] > 0)
    )


def _write(
    folder: Path, manifest: dict[str, Any], table: pd.DataFrame, study: MetaEvaluation
) -> None:
    """Table, figure, report; the answer on the terminal."""
    told = {m for m in table["metric"] if not set(METRICS[m].restates) & set(table["metric"])}
    faithful = table[(table["family"] == "faithfulness") & table["metric"].isin(told)]
    sure = faithful[believable(faithful)]
    answer = (
        f"Of {len(faithful)} faithfulness metrics (mere sums of others apart) {len(sure)} order "
        "maps as planted truth does (Somers' d above one half), keep their order under a trifle of "
        "noise (Spearman above one half) and lose it when the network is made random (1 − Spearman "
        "of one half or more, and above what the trifle does): "
        f"{', '.join(sure['metric']) or 'none'}."
    )
    caption = (
        "Truth: Somers' d of a metric given the known quality of maps of a planted network "
        f"({', '.join(f'{name} {grade}' for name, grade in GRADES.items())}; without the inverse "
        "for metrics that do not see the sign): pairs of unequal quality in the right order less "
        "those in the wrong one, as a share of all; 1 is perfect, and scores that are alike count "
        "against. Truth over noise, over inverse: share of faces in "
        "which the true map scores better. Noise resilience: Spearman of the order of "
        f"{len(study.methods)} maps of a trained network on faces changed by uniform noise of "
        f"±{SLIGHT}, with their order on the faces as they are. Adversary reactivity: 1 − Spearman "
        "with the order after the network was made random; over noise: less 1 − noise resilience, "
        "paired by face. Believed is a metric whose truth and noise resilience lie above .5 and "
        "whose reactivity over noise lies above 0, all by their intervals, with a reactivity of .5 "
        f"or more. Unit: the person ({study.faces} built-in faces of each kind, planted ones each "
        "of a person of its own); 95 % intervals by infinitesimal jackknife."
    )
    write_page(
        folder, question=QUESTIONS[study.name], answer=answer,
        facts={"faces": f"built-in, {study.faces} of each kind", "network": study.model,
               "commit": store.made_by(manifest)},
        tables=[Table(name="metrics", frame=table, caption=caption)],
        pictures=[Picture(name="metrics", figure=_figure(table), caption=caption)],
        method=[f"{name}: {METRICS[name].reference}." for name in table["metric"]],
        caveats=CAVEATS, manifest=manifest,
    )  # fmt: skip
    console = Console()
    console.print(answer, style="bold")
    console.print(f"Report: {folder / 'report.html'}")


def _figure(table: pd.DataFrame) -> Figure:
    """Panels of dots, metrics over each other."""
    style()
    shown = table.iloc[::-1].reset_index(drop=True)
    names = ("truth", "noise resilience", "adversary reactivity", "reactivity over noise")
    fig, axes = plt.subplots(
        1, len(names), figsize=(12, 0.26 * len(shown) + 1.1), sharey=True, layout="constrained"
    )
    for axis, name in zip(axes, names, strict=True):
        for place, (_, row) in enumerate(shown.iterrows()):
            axis.plot(
                [row[f"{name} low"], row[f"{name} high"]], [place, place], color=TRAINED, lw=2
            )
            axis.plot(row[name], place, "o", color=TRAINED, ms=4)
        axis.axvline(0, color=INK, lw=0.6)
        axis.set_title(name, fontsize=10)
        axis.set_yticks(
            range(len(shown)), [str(m).replace("_", " ") for m in shown["metric"]], fontsize=8
        )
    sns.despine(fig)
    return fig


CAVEATS = [
    "A planted mark is a small patch of one colour that the network reads alone: a metric that "
    "orders maps of it rightly need not do so on faces, but one that does not cannot be trusted.",
    "Metrics of complexity do not look at the network: they cannot react to its becoming random, "
    "and whether they order true maps first is a matter of what true maps look like.",
]
