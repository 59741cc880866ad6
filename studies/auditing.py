"""``audit``: metrics of the explanations of any model, as a report, with a verdict for CI."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from torch import nn

from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models import MODELS, FERModel, load_model
from fer_xai.models.checkpoints import load_state, read_state
from fer_xai.probe import Probe
from fer_xai.types import Faces
from metrics.gate import MIN_NETWORKS
from metrics.spec import MetricSpec
from studies import gating, store
from studies.progress import progress_bar
from studies.registry import QUESTIONS, STUDIES
from studies.report import Table, html, png
from studies.scoreboard import CHANCE, Scoreboard, TargetRule
from studies.scoreboard_report import COMMON_CAVEATS, Content, content

METHODS = ("gradcam", "saliency", "integrated_gradients", "occlusion")
"""Attributions that nearly every network has."""
METRICS = ("deletion", "insertion", "mu_fidelity", "gini")
"""Metrics that need no landmarks."""
PRIMARY = "insertion"
GATE = "randomisation gate"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A threshold that was not reached.

    Attributes
    ----------
    method, metric
        What was scored.
    value, limit
        Its mean, and the worst that was allowed.
    """

    method: str
    metric: str
    value: float
    limit: float

    def __str__(self) -> str:
        return f"{self.method}: {self.metric} {self.value:.3f}, expected {self.limit:g} or better"


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """What an audit found.

    Attributes
    ----------
    frame
        A row a face, method and metric: ``id``, ``emotion``, ``target``, ``model``, ``method``,
        ``metric``, ``value``.
    table
        A row a metric and method: mean with its interval, gain over the centre control.
    tables
        All tables of the report, by name.
    answer
        In a sentence.
    failures
        Thresholds that were not reached; an audit without any has passed.
    facts
        Of the model, faces and settings.
    """

    frame: pd.DataFrame
    table: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    answer: str
    failures: tuple[Failure, ...]
    facts: Mapping[str, str]
    _content: Content = field(repr=False)
    _manifest: Mapping[str, Any] = field(repr=False)
    _specs: Mapping[str, MetricSpec] = field(repr=False)
    _caveats: Sequence[str] = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether every threshold was reached."""
        return not self.failures

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one file without any outside part; returns its path."""
        verdict = Table(
            name="failures",
            frame=pd.DataFrame(
                [vars(failure) for failure in self.failures],
                columns=["method", "metric", "value", "limit"],
            ),
            caption="Thresholds that were not reached.",
        )
        page = html(
            question=QUESTIONS["audit"],
            answer=self.answer,
            facts=self.facts,
            tables=[*([verdict] if self.failures else []), *self._content.tables],
            pictures=[(picture, png(picture.figure)) for picture in self._content.pictures],
            method=[f"{name}: {spec.reference}." for name, spec in self._specs.items()],
            caveats=[*self._caveats, *COMMON_CAVEATS],
            manifest=self._manifest,
        )
        store.write_bytes(Path(path), page.encode())
        return Path(path)


def audit(
    model: FERModel | Probe,
    faces: Faces,
    *,
    methods: Sequence[str] = METHODS,
    metrics: Sequence[str | MetricSpec] = METRICS,
    controls: Sequence[str] = CHANCE,
    targets: TargetRule = "predicted",
    primary: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    gate: bool = False,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Audit:
    """Can the explanations of a model be trusted? Metrics of its attributions beside chance.

    Parameters
    ----------
    model
        Any network, as a :class:`fer_xai.FERModel` (its emotions may be in an order of their own),
        or a probe of one.
    faces
        Labelled; with landmarks for metrics and methods over facial regions.
    methods
        Attributions (:data:`fer_xai.attributions.ATTRIBUTIONS`).
    metrics
        Names of :data:`metrics.METRICS`, or specs of your own.
    controls
        Chance controls that stand beside them.
    targets
        Whether the predicted emotion is explained, or the true one.
    primary
        Metric that the answer speaks of: insertion where it is among them, else the first.
    thresholds
        Worst mean that is allowed, by metric, or by ``method:metric`` for one method alone.
    gate
        Whether the randomisation gate is run too (:func:`metrics.randomisation_gate`, ten random
        networks: it takes as long as ten explanations of each face and method); a method that does
        not pass is a failure.
    seed
        Of everything random.
    progress
        Called with the number of faces done after each chunk.

    Returns
    -------
    Audit
        ``frame``, ``tables``, ``failures`` and ``to_html(path)``.

    Raises
    ------
    UnknownNameError, InputError
        For unknown names, faces without what is needed, a threshold of something that is not
        scored or that no direction is better of.

    Examples
    --------
    >>> import fer_xai
    >>> from studies import audit
    >>> model, faces = fer_xai.load_model("gimefive"), fer_xai.load_dataset("synthetic", limit=3)
    >>> report = audit(model, faces, methods=["gradcam"], metrics=["average_drop"],
    ...                controls=["centre"], thresholds={"average_drop": 1.0})
    >>> report.passed, len(report.frame)
    (True, 6)
    """
    board = Scoreboard(
        methods=methods, controls=controls, metrics=metrics, targets=targets, seed=seed,
        own_fills=True,
    )  # fmt: skip
    specs = {spec.name: spec for spec in board.specs}
    limits = _limits(thresholds or {}, specs, methods)
    if not specs:
        raise InputError("Expected at least one metric, got none.")
    chosen = primary or (PRIMARY if PRIMARY in specs else next(iter(specs)))
    if chosen not in specs:
        raise InputError(f"Expected the primary metric among {', '.join(specs)}, got {chosen!r}.")
    if not len(faces):
        raise InputError("Expected faces to audit the model on, got none.")
    probe = model if isinstance(model, Probe) else Probe(model, device=str(model.device))
    rows = board.scores(probe, faces, progress=progress).assign(model=probe.name)
    clusters = pd.Series(face_groups(faces), index=faces.ids)
    refused = {probe.name: board.refused}
    made = content(rows, clusters, specs, methods=methods, primary=chosen, refused=refused)
    predicted = probe.model.canonical(probe.logits(faces.pixels(probe.model.size)).argmax(dim=1))
    right = (predicted == faces.labels).float().mean()
    facts = {
        "model": f"{probe.name}, {', '.join(probe.emotions)}",
        "faces": f"{len(faces)} of {faces.name}, of which {float(right):.1%} are recognised",
        "explained": f"the {targets} emotion's logit",
    }
    manifest = {
        "seed": seed,
        "weights": store.state_digest(probe.model),
        "faces": faces.fingerprint(probe.model.size),
        "thresholds": dict(thresholds or {}),
        **probe.settings(),
        **store.environment(),
    }
    failures = _failures(made.methods, limits, specs)
    verdict = "" if not limits else (
        "\nEvery threshold was reached." if not failures else
        f"\n{len(failures)} of {len(limits)} thresholds were not reached."
    )  # fmt: skip
    if gate:
        found = gating.gate(probe, faces, board)
        verdict += f"\n{gating.gate_sentence(probe.name, found)}"
        failures += _stopped(found)
        shown = gating.gate_table(found, faces=len(faces), networks=MIN_NETWORKS)
        made = dataclasses.replace(made, tables=[shown, *made.tables])
    return Audit(
        frame=rows[["id", "emotion", "target", "model", "method", "metric", "value"]],
        table=made.methods,
        tables={table.name: table.frame for table in made.tables},
        answer=made.answer + verdict,
        failures=failures,
        facts=facts,
        _content=made,
        _caveats=[
            f"{metric} fills with {fill}, from which the maps of {method} start: that score holds "
            "them against themselves."
            for method, metric, fill in board.fills_shared
        ],
        _manifest=manifest,
        _specs=specs,
    )


def _limits(
    thresholds: Mapping[str, float], specs: Mapping[str, MetricSpec], methods: Sequence[str]
) -> dict[tuple[str, str], float]:
    """The worst that is allowed, by method and metric; what is said of a method alone wins."""
    found: dict[tuple[str, str], float] = {}
    for name in sorted(thresholds, key=lambda name: ":" in name):
        method, _, metric = name.rpartition(":")
        if metric not in specs or (method and method not in methods):
            raise InputError(
                f"Expected thresholds of {', '.join(specs)}, each for all methods or as "
                f"METHOD:METRIC, got {name!r}: score it, or leave its threshold out."
            )
        if specs[metric].higher_is_better is None:
            raise InputError(
                f"Expected a threshold of a metric with a better end, but {metric} describes maps "
                "without judging them."
            )
        for one in [method] if method else methods:
            found[one, metric] = float(thresholds[name])
    return found


def _failures(
    table: pd.DataFrame,
    limits: Mapping[tuple[str, str], float],
    specs: Mapping[str, MetricSpec],
) -> tuple[Failure, ...]:
    """Means beyond their limits; one that is undefined, or of a refused method, fails."""
    means = table.set_index(["method", "metric"])["mean"].to_dict()
    out = []
    for (method, metric), limit in limits.items():
        value = float(means.get((method, metric), np.nan))
        reached = value >= limit if specs[metric].higher_is_better else value <= limit
        if not reached:
            out.append(Failure(method=method, metric=metric, value=value, limit=limit))
    return tuple(out)


def _stopped(table: pd.DataFrame) -> tuple[Failure, ...]:
    """Methods that the gate stops."""
    rows = table[~table["control"] & (table["gate"] != "passes")]
    return tuple(
        Failure(method=row["method"], metric=GATE, value=row["similarity"], limit=row["threshold"])
        for _, row in rows.iterrows()
    )


@STUDIES.register("audit")
@dataclass(frozen=True, kw_only=True)
class AuditStudy:
    """Can the explanations of a model of yours be trusted? Exits with 1 where a threshold fails."""

    question: ClassVar[str] = QUESTIONS["audit"]

    model: Annotated[str, tyro.conf.arg(metavar="NAME | PACKAGE.MODULE:FACTORY")] = "gimefive"
    """A registered model, or a function without arguments that makes one: a FERModel, or a bare
    network, whose emotions, size and so on are told by the options below."""
    weights: str | None = None
    """Checkpoint (tensors only), or a shipped name for a registered model."""
    emotions: str | None = None
    """Of a bare network: its label order, by name (fer2013, affectnet …) or listed with
    commas."""
    size: int = 64
    """Of a bare network: pixels a side."""
    greyscale: bool = False
    """Of a bare network: whether it is fed greyscale."""
    cam_layer: str | None = None
    """Of a bare network: the layer that CAM methods look at; found by itself if left out."""
    data: str = "synthetic"
    """Dataset, as NAME or NAME:ROOT."""
    split: str = "test"
    """train, valid or test."""
    source: str | None = None
    """Of a benchmark, only the faces of this source dataset."""
    landmarks: Path | None = None
    """CSV[.gz] of 68 points a face; built-in faces bring their own."""
    limit: int = 64
    """At most this many faces, with the emotions' shares kept."""
    methods: tuple[str, ...] = METHODS
    """Attributions."""
    metrics: tuple[str, ...] = METRICS
    """Names of metrics."""
    targets: Literal["predicted", "true"] = "predicted"
    """Which emotion of a face is explained."""
    fail_under: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[METHOD:]METRIC=VALUE …")] = ()
    """Worst mean that is allowed (the largest, of a metric whose lower values are better)."""
    gate: bool = False
    """Run the randomisation gate too; a method that it stops fails the audit."""
    seed: int = 0
    """Of everything random."""
    skip_bad: bool = False
    """Leave damaged or missing images out, instead of stopping."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the forward pass."""
    out: Path = Path("results/audit")
    """Folder for report.html, scores.parquet and methods.csv."""
    progress: bool = True
    """Show a progress bar."""

    def run(self) -> int:
        """Audit and write; returns the exit status, 1 where a threshold was not reached.

        Raises
        ------
        UnknownNameError, InputError
            For options that cannot be used.
        """
        thresholds = _parsed(self.fail_under)
        model = self._model()
        faces = load_dataset(
            self.data, split=self.split, source=self.source, landmarks=self.landmarks,
            emotions=[name for name in EMOTIONS if name in model.emotions], limit=self.limit,
            seed=self.seed, skip_bad=self.skip_bad,
        )  # fmt: skip
        probe = Probe(model, device=self.device, precision=self.precision)
        with progress_bar(shown=self.progress) as bar:
            task = bar.add_task("faces", total=len(faces))
            found = audit(
                probe, faces, methods=self.methods, metrics=self.metrics, targets=self.targets,
                thresholds=thresholds, gate=self.gate, seed=self.seed,
                progress=lambda n: bar.advance(task, n),
            )  # fmt: skip
        store.write_table(self.out / "scores.parquet", found.frame)
        store.write_bytes(self.out / "methods.csv", found.table.to_csv(index=False).encode())
        page = found.to_html(self.out / "report.html")
        console = Console()
        console.print(found.answer, style="bold")
        console.print(f"Report: {page}")
        for failure in found.failures:
            sys.stderr.write(f"audit: {failure}\n")
        return 0 if found.passed else 1

    def _model(self) -> FERModel:
        if ":" not in self.model:
            if self.model not in MODELS:
                raise UnknownNameError(
                    f"{MODELS.unknown(self.model)} Or name a factory of yours as "
                    "package.module:factory."
                )
            return load_model(self.model, weights=self.weights or "synthetic")
        made = _from_factory(self.model)
        if isinstance(made, FERModel):
            model = made
        elif self.emotions is None:
            raise InputError(
                f"Expected --emotions for the bare network of {self.model}, in the order of its "
                "outputs, such as fer2013 or anger,disgust,fear,happiness,sadness,surprise."
            )
        else:
            order = self.emotions.split(",") if "," in self.emotions else self.emotions
            model = FERModel(
                made, emotions=order, size=self.size, greyscale=self.greyscale,
                cam_layer=self.cam_layer, name=self.model.rpartition(":")[2],
            )  # fmt: skip
        if self.weights is not None:
            state, _ = read_state(self.weights)
            load_state(model.net, state, what=self.model)
        return model.eval()


def _parsed(words: Sequence[str]) -> dict[str, float]:
    found = {}
    for word in words:
        name, _, value = word.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError:
            name = ""
        if not name:
            raise InputError(
                f"Expected --fail-under [METHOD:]METRIC=VALUE, such as insertion=0.5, got {word!r}."
            )
    return found


def _from_factory(text: str) -> nn.Module:
    """What ``package.module:factory`` makes, looked for beside the working directory too."""
    name, _, attribute = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        factory = getattr(importlib.import_module(name), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"Expected --model package.module:factory, but {text} cannot be imported ({error})."
        ) from None
    made = factory()
    if not isinstance(made, nn.Module):
        raise InputError(f"Expected {text} to return a torch.nn.Module, got {type(made).__name__}.")
    return made
