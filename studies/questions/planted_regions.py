"""Which attributions find the region that a network is known to read?"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import beta
from torch import Tensor

from fer_xai import explain
from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.attributions.api import counting_maps
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.shapley import coalition_scores
from fer_xai.checks import check_number
from fer_xai.coalitions import interaction_index
from fer_xai.command import check_folder, terminal
from fer_xai.data.datasets.synthetic import PEOPLE_SIZE as SIZE
from fer_xai.data.datasets.synthetic import people
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models.planted import CYAN, MAGENTA, Rule, marked, planted_model
from fer_xai.names import slug
from metrics.core.similarity import region_sums
from studies.engine import store
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.progress import progress_bar
from studies.registry import STUDIES, question
from studies.reporting.formatting import counted
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.style import style

SHAPLEY = "region_shapley"
RULES: tuple[Rule, ...] = ("one", "xor")
"""Of the planted networks."""
PLANTS = {
    "one mark": "the network reads one mark, and one region holds it",
    "XOR, one shown": "it reads two marks in XOR, and one region holds one of them",
    "XOR, both shown": "both are there and cancel: found if the pair is on top",
}


@STUDIES.register("planted_regions")
@dataclass(frozen=True, kw_only=True)
class PlantedRegions:
    """Which attributions find the region that a network is known to read?

    A mark of a pure colour is put into one region of a built-in face, and a network is built that
    reads such marks and nothing else. Found: the map's largest absolute value lies in the region
    (the pointing game, Zhang et al., IJCV 2018; for two marks that cancel, the two regions hold the
    two largest; for exact Shapley, the pair has the strongest interaction).
    """

    methods: tuple[str, ...] = ()
    """Attributions; by default all that the planted networks can be explained by."""
    faces: int = 24
    """Built-in faces, each marked in every region in turn."""
    seed: int = 0
    """Of faces and random methods."""
    out: Path = Path("results")
    """Results go to OUT/planted_regions/<run>."""
    progress: bool = True
    """Show progress bars."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown method, or no faces.
        """
        if self.faces < 1:
            raise InputError(f"Expected a positive number of faces, got {self.faces}.")
        check_number("--seed", self.seed, 0, ends=True)
        check_folder(self.out / "planted_regions")
        for method in self.methods:
            ATTRIBUTIONS[method]
        faces = people(self.faces, seed=self.seed)
        images = faces.pixels(SIZE).float() / 255
        regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
        config = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ("out", "progress")
        }
        inputs = {
            **faces_digests(faces),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods or ATTRIBUTIONS),
            "models": {rule: model_digest(planted_model(rule)) for rule in RULES},
        }
        folder = self.out / "planted_regions" / f"synthetic-{store.digest([config, inputs])}"
        manifest = store.open_run(folder, config, inputs)
        manifest.setdefault("refused", {})
        started = time.perf_counter()
        names = list(dict.fromkeys([*(self.methods or ATTRIBUTIONS), *CONTROLS]))
        parts = []
        with progress_bar(shown=self.progress) as bar:
            task = bar.add_task("plants", total=len(PLANTS) * len(names))
            for plant in PLANTS:
                made = _Plant(plant, images, regions)
                for name in names:
                    file = folder / "maps" / f"{slug(f'{plant}-{name}')}.npz"
                    found = self._scores(made, name, file, manifest)
                    if found is not None:
                        parts.append(made.rows(name, found))
                    bar.advance(task)
        rows = pd.concat(parts, ignore_index=True)
        store.write_table(folder / "scores.parquet", rows)
        _write(folder, manifest, rows)
        manifest["seconds"] = round(manifest.get("seconds", 0) + time.perf_counter() - started, 1)
        manifest["status"] = "complete"
        store.write_json(folder / "manifest.json", manifest)
        return folder

    def _scores(
        self, plant: _Plant, name: str, file: Path, manifest: dict[str, Any]
    ) -> dict[str, NDArray[Any]] | None:
        key = f"{name}, {plant.plant}"
        if key in manifest["refused"]:
            return None
        try:
            return store.once(file, lambda: plant.scores(name, seed=self.seed))
        except InputError as refusal:
            manifest["refused"][key] = str(refusal)
            return None


class _Plant:
    """Marked faces, the network that reads the marks, and how its regions are found."""

    def __init__(self, plant: str, images: Tensor, regions: Tensor) -> None:
        self.plant = plant
        self.pair = plant == "XOR, both shown"
        self.predictor = Predictor(
            planted_model("one" if plant == "one mark" else "xor"), device="cpu", batch_size=16
        )
        pictures, masks, truth, owners = [], [], [], []
        for face, own in enumerate(regions):
            held = [r for r in range(len(REGIONS)) if bool(own[r].any())]
            for place, region in enumerate(held):
                other = held[(place + 2) % len(held)]
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


def share_interval(share: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Bounds of a share over ``n`` faces by Clopper & Pearson (Biometrika 1934).

    A share need not be of whole faces: the regions of a face are taken to be found or missed
    together (effective sample size; Korn & Graubard, Survey Methodology 1998), which is the wider.

    Examples
    --------
    >>> [round(bound, 3) for bound in share_interval(1.0, 6)]  # never surer than six faces allow
    [0.541, 1.0]
    """
    if not n:
        return np.nan, np.nan
    hits, tail = share * n, (1 - level) / 2
    low = beta.ppf(tail, hits, n - hits + 1) if share > 0 else 0.0
    high = beta.ppf(1 - tail, hits + 1, n - hits) if share < 1 else 1.0
    return float(low), float(high)


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an attribution: how often each plant is found, with intervals over faces; nothing
    where the maps of more than half of the marked faces are undefined.
    """
    out = []
    for name, own in rows.groupby("attribution", sort=False):
        row: dict[str, Any] = {"attribution": name, "control": name in CONTROLS}
        for plant in PLANTS:
            part = own[own["plant"] == plant]
            known = part.dropna(subset="found")
            if 2 * len(known) < len(part):
                known = known.iloc[:0]
            share = known["found"].mean()
            low, high = share_interval(share, known["face"].nunique())
            row |= {plant: 100 * share, f"{plant} low": 100 * low, f"{plant} high": 100 * high}
        row["share given to the mark"] = own.loc[own["plant"] == "one mark", "share"].mean()
        out.append(row)
    table = pd.DataFrame(out)
    order = ["control", *PLANTS, "share given to the mark"]
    return table.sort_values(order, ascending=[True, *[False] * (len(order) - 1)]).reset_index(
        drop=True
    )


def _refused(manifest: dict[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
    """Why a method says nothing of a plant, or not of all faces: it has no rules for the network,
    or undefined maps.
    """
    reasons = [(*key.split(", ", 1), reason) for key, reason in manifest["refused"].items()]
    reasons += [
        (
            name,
            plant,
            "Its maps are undefined for every face."
            if lost == len(own)
            else f"Its maps are undefined for {lost} of {len(own)} marked faces.",
        )
        for (name, plant), own in rows.groupby(["attribution", "plant"], sort=False)
        if (lost := int(own["found"].isna().sum()))
    ]
    return pd.DataFrame(reasons, columns=["attribution", "plant", "reason"])


def _write(folder: Path, manifest: dict[str, Any], rows: pd.DataFrame) -> None:
    table = _table(rows)
    real = table[~table["control"]]
    perfect = real[(real[list(PLANTS)] == 100).all(axis=1)]["attribution"]
    one = int((real["one mark"] == 100).sum())
    asked = real.dropna(subset=["one mark"])
    both = asked.dropna(subset=list(PLANTS))
    blank = (
        f" ({len(asked) - len(both)} without maps of that network: see the table of refusals)"
        if len(both) < len(asked)
        else ""
    )
    answer = (
        f"Of {counted(len(asked), 'attribution')} {one} {'finds' if one == 1 else 'find'} the one "
        f"region that a planted network reads in every face; of the {len(both)} that can be asked "
        f"where two marks cancel in XOR{blank}, {len(perfect)} "
        f"{'finds' if len(perfect) == 1 else 'find'} the regions there too: "
        f"{', '.join(perfect) or 'none'}."
    )
    caption = (
        "How often the planted region is found, in percent of marked faces; "
        + "; ".join(f"{plant}: {meaning}" for plant, meaning in PLANTS.items())
        + f". Unit: the built-in face ({rows['face'].nunique()}), each of a person of its own and "
        "marked in every region; 95 % intervals by Clopper and Pearson over faces, as if a face's "
        "regions were found or missed together; undefined maps are left out, and counted among the "
        "refusals. Blank: refused, or undefined for more than half. Share: of a map's absolute "
        "mass, in the one region. By chance one region of eight is found in 12.5 %, a pair in "
        "3.6 %."
    )
    write_page(
        folder,
        question=question("planted_regions"),
        answer=answer,
        facts={"Faces": "built-in, marked", "Commit": store.made_by(manifest)},
        tables=[
            Table(name="found", frame=table, caption=caption, percent=tuple(PLANTS)),
            Table(
                name="refused",
                frame=_refused(manifest, rows),
                caption="Blank cells: methods without maps of a planted network, and why. Methods "
                "whose maps are undefined for some faces stand among them.",
            ),
        ],
        pictures=[Picture(name="found", figure=_figure(table), caption=caption)],
        method=METHOD,
        caveats=CAVEATS,
        manifest=manifest,
    )
    console = terminal()
    console.print(answer, style="bold")
    console.print(f"Report: {folder / 'report.html'}")


def _figure(table: pd.DataFrame) -> Figure:
    """Hit rates as a heat map, methods over controls."""
    style()
    shown = table.set_index("attribution")[list(PLANTS)]
    shown.index = [str(name).replace("_", " ") for name in shown.index]
    fig, axis = plt.subplots(figsize=(5.6, 0.27 * len(shown) + 1))
    sns.heatmap(
        shown,
        vmin=0,
        vmax=100,
        cmap="Blues",
        annot=True,
        fmt=".0f",
        ax=axis,
        annot_kws={"fontsize": 8},
        cbar_kws={"label": "found, %", "shrink": 0.5},
    )
    axis.axhline(int((~table["control"]).sum()), color="white", lw=5)
    axis.tick_params(labelsize=9, length=0)
    axis.set(xlabel="", ylabel="")
    return fig


METHOD = [
    "The network is a 1×1 convolution that knows two pure colours, pooled and added up: what it "
    "reads is known exactly. CAMs are taken from its pooled map of 16×16 cells.",
    "A map's sign does not matter to being found: its largest absolute value does. A map that is "
    "zero everywhere has found nothing.",
    "Exact Shapley values are taken with the blur fill; for two marks that cancel they are zero by "
    "right, and the pair is found by its interaction index.",
]
CAVEATS = [
    "A mark is a small patch of one colour: methods that find it need not find a smile.",
    "In XOR both marks are saturated, so that gradients vanish: that is the point of the plant.",
]
