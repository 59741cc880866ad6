"""Are labels right, and test faces unseen, in data sets of emotions?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray

from fer_xai.checks import check_count, check_number
from fer_xai.data import load_dataset
from fer_xai.data.duplicates.candidates import faiss_search, labels_extra
from fer_xai.data.duplicates.near import LIKE, NearPairs, near_pairs
from fer_xai.data.duplicates.prints import HASHES, Prints, read_each, read_prints
from fer_xai.data.duplicates.recordings import of_one_recording
from fer_xai.errors import InputError
from fer_xai.models.checkpoints import file_digest
from studies.engine.endpoints import Endpoint
from studies.engine.options import Passes, Progress, Seed
from studies.engine.specs import SYNTHETIC, DataSpec, ModelSpec
from studies.engine.study import Run, Study
from studies.questions.label_audit.collected import Collected, collected, set_name
from studies.questions.label_audit.copies import KINDS, Copies
from studies.questions.label_audit.images import measures
from studies.questions.label_audit.in_sample import card_beside
from studies.questions.label_audit.issues import judged_labels
from studies.questions.label_audit.judges import (
    Judge,
    asked_of,
    digests_of,
    judged_by_model,
    out_of_sample,
    specs,
)
from studies.questions.label_audit.report import Found, write_report
from studies.questions.label_audit.sheets import sampled_pairs, write_sheet
from studies.questions.label_audit.stored import check_files, judged_by_file
from studies.questions.label_audit.thresholds import (
    LOWEST,
    Apart,
    chosen_threshold,
    sets_of,
    thresholds_table,
)
from studies.registry import STUDIES

BUILT_IN = 240
"""Built-in faces that photographs are compared with: none is a copy of any."""
SHEET = 50
"""Pairs on one contact sheet."""


@STUDIES.register("label_audit")
@dataclass(frozen=True, kw_only=True)
class LabelAudit(Study, Progress, Passes, Seed):
    """Are labels right, and test faces unseen, in data sets of emotions?

    Copies are found within and across sets and splits: identical files, identical pixels, and
    near-copies, which show one photograph in another size, compression, brightness or colour, or
    mirrored. Labels of copies are held against each other, and all labels against predictions of
    networks that were trained on other faces. Nothing is changed: see
    ``python -m fer_xai.data aggregate`` for a clean edition.

    Examples
    --------
    >>> LabelAudit(sets=("gimefive:/data/bench@rafdb",)).config()["data"]
    ['gimefive@rafdb']
    """

    name: ClassVar[str] = "label_audit"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="number of test faces that are copies of training faces (of any set), by kind of "
        "copy: identical files, identical pixels, near-copies",
        unit="a test face",
        family="none: the faces are counted, not sampled",
        interval="none for the count; share of faces with a false match between sets that share no "
        "image: 95 %, Clopper and Pearson over faces of the first set, given the second",
        holds="a test face is a copy by the rule at the threshold, which is raised from .95 until "
        "no comparison of sets that share no image has more false matches than --false-matches",
        sensitivity="correlations from .90 to .99; perceptual hashes",
    )

    sets: Annotated[
        tuple[str, ...], tyro.conf.arg(name="data", metavar="NAME[:ROOT][@SOURCE] …")
    ] = (SYNTHETIC,)
    """Data sets; a benchmark put together from several is shown by source."""
    splits: tuple[str, ...] = ("train", "test")
    """Splits that each data set has; a folder without splits takes one name."""
    judges: Annotated[tuple[str, ...], tyro.conf.arg(name="models", metavar="NAME=WEIGHTS …")] = ()
    """Trained models that judge labels, each on the faces that it was not trained on; their cards
    say which these are."""
    judged: Annotated[tuple[str, ...], tyro.conf.arg(name="judge-splits")] = ()
    """Splits whose labels the models judge; all of --splits by default."""
    predictions: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE …")] = ()
    """Stored predictions out of sample: fold_logits.npz of python -m training.run --folds, for all
    training faces, or test_logits.npz of any training; several judge side by side."""
    apart: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SET,SET …")] = ()
    """Pairs of sets that share no image, in whose matches the threshold is checked beside built-in
    faces, such as gimefive@rafdb,gimefive@fer2013."""
    false_matches: float = 0.001
    """Largest share of faces with a false match between sets that share no image."""
    most: int | None = None
    """At most this many faces of each split."""
    damaged: Annotated[bool, tyro.conf.arg(name="skip-bad")] = False
    """Leave damaged or missing images out, instead of stopping."""
    sheets: int = 0
    """Number of near-copies to show on contact sheets, which hold faces: for your eyes alone."""

    def run(self) -> Path:
        """Run; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together, or data that cannot be used.
        """
        self.check()
        models = specs(self.judges)
        found = collected(
            self.data_specs,
            splits=self.splits,
            skip_bad=self.damaged,
            limit=self.most,
            seed=self.seed,
        )
        stored = [judged_by_file(path, found) for path in self.predictions]
        for spec in models:
            asked_of(spec, found, splits=self.judged)
        sizes = found.table["set"].value_counts(sort=False).to_dict()
        pairs = sets_of(self.apart, {str(name): int(count) for name, count in sizes.items()})
        inputs = {
            "faces": found.digests(),
            "predictions": [
                " ".join(filter(None, [file_digest(path), card_beside(path).identity]))
                for path in self.predictions
            ],
        }
        if weights := digests_of(models):
            inputs["weights"] = weights
        names = [set_name(spec) for spec in self.data_specs]
        with self.opened(inputs, "-".join(names)) as run:
            task = run.bar.add_task("images", total=len(found))
            prints = read_each(
                [part.faces for part in found.parts],
                hashes=HASHES,
                advance=lambda: run.bar.advance(task),
            )
            stage = run.bar.add_task("copies", total=3 + len(models))
            near = near_pairs(prints.grey, like=LOWEST, search=faiss_search)
            pixels = np.array(prints.pixels, dtype=object)
            near = near.chosen(of_one_recording(near.pairs, found.table, pixels))
            run.bar.advance(stage)
            apart = self._apart(found, prints, pairs)
            run.bar.advance(stage)
            threshold = chosen_threshold(apart, most=self.false_matches)
            copies = Copies(table=found.table, prints=prints, near=near.above(threshold or LIKE))
            judges = []
            for judge in self._judges(found, models, run.folder / "shards"):
                judges.append(judge)
                run.bar.advance(stage)
            judges += stored
            joined = copies.groups(KINDS[2])
            judged = [
                judged_labels(
                    out_of_sample(judge, found.table, joined), found.table, seed=self.seed
                )
                for judge in judges
            ]
            self._keep(run, copies, found.table, judged)
            answer = write_report(
                run,
                Found(
                    copies=copies,
                    table=found.table,
                    threshold=threshold,
                    most=self.false_matches,
                    apart=apart,
                    thresholds=thresholds_table(
                        near, found.table["split"].to_numpy().astype(str), apart
                    ),
                    judges=judges,
                    judged=judged,
                ),
            )
            if self.sheets:
                self._show(run.folder, copies, found)
            run.bar.advance(stage)
        return run.complete(answer)

    @property
    def data_specs(self) -> list[DataSpec]:
        """The data sets."""
        return [DataSpec.parse(text) for text in self.sets]

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        check_number("--false-matches", self.false_matches, 0, 1, ends=True)
        if self.most is not None:
            check_count("--most", self.most)
        if self.sheets < 0:
            raise InputError(f"Expected --sheets from 0, got {self.sheets}.")
        if not self.sets or not self.splits or len(set(self.splits)) < len(self.splits):
            raise InputError("Expected data sets and splits, each split once.")
        for library in ("imagehash", "faiss", *(["cleanlab"] if self._judging else [])):
            labels_extra(library)
        unknown = [name for name in self.judged if name not in self.splits]
        if unknown:
            raise InputError(
                f"Expected --judge-splits among the splits {', '.join(self.splits)}, got "
                f"{', '.join(unknown)}."
            )
        check_files(self.predictions)

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        found = super().config()
        for name in ("sheets", "predictions", "sets", "judges"):
            del found[name]
        return found | {
            "data": [f"{spec.identity}@{spec.source or ''}" for spec in self.data_specs],
            "models": [f"{text.partition('=')[0]}={Path(text).name}" for text in self.judges],
        }

    @property
    def _judging(self) -> bool:
        return bool(self.judges or self.predictions)

    def _apart(self, found: Collected, prints: Prints, pairs: list[tuple[str, str]]) -> list[Apart]:
        """Matches between sets that share no image: built-in faces, and those that are named."""
        sets = found.table["set"].to_numpy()
        built_in = read_prints(
            load_dataset(SYNTHETIC, split="test", limit=BUILT_IN, seed=self.seed)
        )
        names = [str(name) for name in dict.fromkeys(sets) if SYNTHETIC not in name]
        asked = [(name, "") for name in names] + pairs
        comparisons = []
        for one, two in asked:
            grey = prints.grey[sets == one]
            others = prints.grey[sets == two] if two else built_in.grey
            comparisons.append(
                Apart(
                    one=one,
                    two=two or "built-in faces",
                    faces=len(grey),
                    others=len(others),
                    near=near_pairs(grey, others, like=LOWEST, search=faiss_search),
                )
            )
        return comparisons

    def _judges(self, found: Collected, models: list[ModelSpec], folder: Path) -> Iterator[Judge]:
        for spec in models:
            yield judged_by_model(spec, found, self, folder=folder, splits=self.judged)

    def _keep(
        self,
        run: Run,
        copies: Copies,
        table: pd.DataFrame,
        judged: list[tuple[pd.DataFrame, pd.DataFrame]],
    ) -> None:
        """Rows: a face, a pair of near-copies, a judged label."""
        groups = {f"group, {kind}": copies.groups(kind) for kind in KINDS}
        leaked = {f"leaked, {kind}": copies.leaked(kind) for kind in KINDS}
        told = table.drop(columns=["path"]).assign(**groups, **leaked)
        run.keep("faces", pd.concat([told, measures(copies.prints)], axis=1))
        run.keep("pairs", _pair_rows(copies, table))
        rows = [rows for _, rows in judged if len(rows)]
        run.keep("labels", pd.concat(rows, ignore_index=True) if rows else pd.DataFrame())

    def _show(self, folder: Path, copies: Copies, found: Collected) -> None:
        pixels = np.array(copies.prints.pixels, dtype=object)
        one, two = copies.near.pairs.T
        places = sampled_pairs(
            copies.near, pixels[one] == pixels[two], many=self.sheets, seed=self.seed
        )
        for number, start in enumerate(range(0, len(places), SHEET)):
            path = folder / "sheets" / f"near_copies_{number}.png"
            write_sheet(path, copies.near, places[start : start + SHEET], _reader(found))


def _reader(found: Collected) -> Callable[[int], NDArray[np.uint8]]:
    def read(row: int) -> NDArray[np.uint8]:
        part = next(part for part in found.parts if row in part.rows)
        return part.faces.read(row - part.first)

    return read


def _pair_rows(copies: Copies, table: pd.DataFrame) -> pd.DataFrame:
    """A row a pair of near-copies, identical ones included."""
    near: NearPairs = copies.near
    one, two = near.pairs.T
    faces, emotions = table["face"].to_numpy(), table["emotion"].to_numpy()
    files = np.array(copies.prints.files, dtype=object)
    pixels = np.array(copies.prints.pixels, dtype=object)
    rows = {
        "one": faces[one],
        "two": faces[two],
        "label of one": emotions[one],
        "label of two": emotions[two],
        "identical files": (files[one] == files[two]) & (files[one] != ""),
        "identical pixels": pixels[one] == pixels[two],
        "correlation": near.correlation,
        "detail": near.detail,
        "mirrored": near.mirrored,
    }
    for name, hashes in copies.prints.hashes.items():
        differing = np.unpackbits(hashes[one] ^ hashes[two], axis=1)
        rows[f"{name}, bits"] = differing.sum(axis=1).astype(np.int64)
    return pd.DataFrame(rows)
