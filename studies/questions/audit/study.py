"""Can the explanations of a model of yours be trusted?

The command ``audit``: any model by name or factory, a run folder, an exit status for CI.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
import tyro

from fer_xai.command import DONE, REFUSED
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.endpoints import FAMILY_OF_GAINS, PERSON, Endpoint
from studies.engine.one_model import OneModel
from studies.engine.options import Margin, Passes, Progress, Seed, Targets
from studies.engine.shards import BATCH, batch_sizes, last_batch_size, with_earlier
from studies.engine.study import Study
from studies.questions.audit.request import METHODS, METRICS, Request
from studies.registry import STUDIES
from studies.scoreboard.scores import CHANCE
from studies.scoreboard.thresholds import On


@STUDIES.register("audit")
@dataclass(frozen=True, kw_only=True)
class AuditStudy(Study, Progress, Passes, Seed, Targets, Margin, OneModel):
    """Can the explanations of a model of yours be trusted?

    First of all the model has to recognise emotions: where the share of faces that it recognises
    is not shown to lie above the prior, no threshold is judged, and the audit is not passed.
    """

    name: ClassVar[str] = "audit"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="mean of the primary metric (--primary) of a method, less the centre control's, "
        "paired by face; and every mean that --fail-under names",
        unit=PERSON,
        family="the methods; each threshold by itself",
        interval=FAMILY_OF_GAINS + "; 95 % of each mean for thresholds",
        holds="the interval lies above 0; a threshold where its bound (--on) is no worse",
    )

    methods: tuple[str, ...] = METHODS
    """Attributions."""
    controls: tuple[str, ...] = CHANCE
    """Chance controls that stand beside them."""
    metrics: tuple[str, ...] = METRICS
    """Names of metrics."""
    primary: str | None = None
    """Metric that the answer speaks of: insertion where it is among them, else the first that is
    held against the centre control."""
    fail_under: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[METHOD:]METRIC=VALUE …")] = ()
    """Worst mean that is allowed (the largest, of a metric whose lower values are better)."""
    on: On = "bound"
    """What is held against --fail-under: the worse bound of the mean's 95 % interval, or the
    estimate."""
    gate: bool = False
    """Run the randomisation gate too; a method that it stops fails the audit."""
    anyway: bool = False
    """Judge thresholds even where the model recognises no more than the prior, or is not wired as
    declared."""
    preflight: bool = True
    """Look at the model's wiring first; one that does not pass is not judged."""

    def config(self) -> dict[str, Any]:
        """Options that identify a run; weights are identified by content."""
        options = super().config()
        if self.margin is None:  # runs of before it have no such option
            del options["margin"]
        return options

    def run(self) -> int:
        """Audit, or go on, and write; returns the exit status, 1 where it is not passed.

        Raises
        ------
        UnknownNameError, InputError
            For options that cannot be used.
        """
        self.check()
        request = self._request()
        model = self.one_model()
        faces = self.load_faces(
            emotions=tuple(name for name in EMOTIONS if name in model.emotions),
            limit=self.at_most,
            seed=self.seed,
        )
        request.check_faces(model, faces)
        digest = model_digest(model)  # before a pass, which may count itself
        predictor = Predictor(model, device=self.device, precision=self.precision)
        inputs = {
            **faces_digests(faces, [model.size]),
            "model": digest,
            "answers": _answers(predictor, faces),
        }
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            known = run.manifest["networks"].get(model.name, {}).get(BATCH)
            if known or self.batch_size:
                predictor = self.predictor(model, batch_size=last_batch_size(known))
            now = with_earlier(known, predictor.batch_size)
            network = run.manifest["networks"][model.name] = predictor.settings() | {BATCH: now}
            run.record()
            shards = run.folder / "shards"
            task = run.bar.add_task("faces", total=len(faces))
            found = request.answered(
                predictor,
                faces,
                shards=shards,
                progress=lambda n: run.bar.advance(task, n),
            )
            network[BATCH] = batch_sizes(shards) or now
        weights = self.weights_in_words()
        facts = {**found.facts, "weights": weights, "commit": store.made_by(run.manifest)}
        lines = found.answer.splitlines()
        lines.insert(2 if self.preflight else 1, f"Weights: {weights}.")  # after what is recognised
        answer = "\n".join(lines)
        dataclasses.replace(found, answer=answer, facts=facts, manifest=run.manifest).write(
            run.folder
        )
        run.complete(answer)
        if not found.judged:
            why = "recognises no more than the prior" if found.wired else "is not wired as declared"
            sys.stderr.write(f"audit: not judged: the model {why}\n")
        for failure in found.failures:
            sys.stderr.write(f"audit: {failure}\n")
        return DONE if found.passed else REFUSED

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()

    def _request(self) -> Request:
        """What is asked of the model."""
        return Request.of(
            methods=self.methods,
            metrics=self.metrics,
            controls=self.controls,
            targets=self.targets,
            primary=self.primary,
            thresholds=_parsed(self.fail_under),
            on=self.on,
            gate=self.gate,
            anyway=self.anyway,
            preflight=self.preflight,
            margin=self.margin,
            seed=self.seed,
        )


def _answers(predictor: Predictor, faces: Faces) -> str | None:
    """Digest of a network's answers, in which code that no other digest sees shows.

    They are passed 16 at a time whatever the batch size, and rounded.
    """
    batches = faces.batches(16, size=predictor.model.size)
    answers = torch.cat([predictor.logits(batch.pixels) for batch in batches]).numpy().round(2)
    return store.array_digest(answers + 0.0)  # no negative zeros


def _parsed(words: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        name, _, value = word.rpartition("=")
        try:
            float(value)
        except ValueError:
            name = ""
        if not name:
            raise InputError(
                f"Expected --fail-under [METHOD:]METRIC=VALUE, such as insertion=0.5, got {word!r}."
            )
        if name in found:
            raise InputError(f"Expected each threshold once, got {name} several times.")
        found[name] = float(value)
    return found
