"""``audit``: metrics of the explanations of any model, as a report, with a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.progress import silent
from fer_xai.types import Faces
from metrics.core.registry import MetricSpec
from studies.engine.explained import TargetRule
from studies.engine.progress import progress_bar
from studies.questions.audit.report import Audit
from studies.questions.audit.request import METHODS, METRICS, Request
from studies.scoreboard.scores import CHANCE
from studies.scoreboard.thresholds import On

__all__ = ["METHODS", "METRICS", "Audit", "audit"]


def audit(
    model: FERModel | Predictor,
    faces: Faces,
    *,
    methods: Sequence[str] = METHODS,
    metrics: Sequence[str | MetricSpec] = METRICS,
    controls: Sequence[str] = CHANCE,
    targets: TargetRule = "predicted",
    primary: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    on: On = "bound",
    gate: bool = False,
    anyway: bool = False,
    preflight: bool = True,
    margin: float | None = None,
    seed: int = 0,
    shards: Path | None = None,
    progress: bool | Callable[[int], None] = False,
) -> Audit:
    """Can the explanations of a model be trusted? Metrics of its attributions beside chance.

    Parameters
    ----------
    model
        Any network, as a :class:`fer_xai.FERModel` (its emotions may be in an order of their own),
        or a predictor of one.
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
        Metric that the answer speaks of: insertion where it is among them, else the first that is
        held against the centre control.
    thresholds
        Worst mean that is allowed, by metric, or by ``method:metric`` for one method alone. Faces
        whose map is blank or undefined have no score, and a mean over less than half of the faces
        reaches none.
    on
        What is held against a threshold: ``bound``, the worse bound of the mean's 95 % interval
        (the lower one where higher is better, the upper one where lower is), or ``estimate``, the
        mean itself, which other faces may not give again.
    gate
        Whether the randomisation gate is run too (:func:`metrics.randomisation_gate`, ten random
        networks: it takes as long as ten explanations of each face and method); a method that does
        not pass is a failure, whether it is stopped or undecided.
    anyway
        Whether thresholds are judged even where the model recognises no more than the prior: where
        the 95 % interval of the share of faces that it recognises does not lie above the share of
        the most frequent emotion and above one over the number of its emotions. Its explanations
        say little then: it may be fed in another way than it was trained, or read in another order
        of emotions.
    preflight
        Whether the wiring is looked at first (:func:`fer_xai.preflight`); a model that does not
        pass is not judged, unless ``anyway`` says so.
    margin
        Gain over the centre control below which a method counts as no different, declared before
        anything is scored: shown by two one-sided tests, Holm over the methods; below 60 faces (or
        persons) by betting on a bounded mean, which takes wider margins. By default no method can
        be shown to be no different.
    seed
        Seed of everything random.
    shards
        Folder of this audit alone, in which what is done is kept, so that a stopped one goes on;
        one of another model, other faces or other options is refused.
    progress
        Whether a progress bar is shown (a line every half minute where there is no terminal); or a
        function that is called with the number of faces done after each chunk.

    Returns
    -------
    Audit
        ``frame``, ``tables``, ``failures`` and ``to_html(path)``.

    Raises
    ------
    UnknownNameError, InputError
        For unknown names, faces without what is needed, a negative seed, a threshold of something
        that is not scored or that no direction is better of.

    Examples
    --------
    >>> import fer_xai
    >>> from studies import audit
    >>> model = fer_xai.load_model("gimefive", weights="synthetic")
    >>> faces = fer_xai.load_dataset("synthetic", limit=6)
    >>> report = audit(model, faces, methods=["gradcam"], metrics=["average_drop"],
    ...                controls=["centre"], thresholds={"average_drop": 1.0})
    >>> report.passed, len(report.frame)
    (True, 12)
    """
    request = Request.of(
        methods=methods,
        metrics=metrics,
        controls=controls,
        targets=targets,
        primary=primary,
        thresholds=thresholds or {},
        on=on,
        gate=gate,
        anyway=anyway,
        preflight=preflight,
        margin=margin,
        seed=seed,
    )
    request.check_faces(model, faces)
    device = str(getattr(model, "device", "auto"))
    predictor = model if isinstance(model, Predictor) else Predictor(model, device=device)
    if callable(progress):
        with silent():
            return request.answered(predictor, faces, shards=shards, progress=progress)
    with silent(), progress_bar(shown=bool(progress)) as bar:
        task = bar.add_task("faces", total=len(faces))
        return request.answered(
            predictor, faces, shards=shards, progress=lambda n: bar.advance(task, n)
        )
