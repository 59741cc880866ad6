"""Gradients of the score with respect to the image, plain, averaged and integrated.

Colour channels are added up with their sign, so that what a method distributes stays whole;
:attr:`~fer_xai.attributions.core.registry.Maps.channels` has them one by one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from torch import Tensor, nn

from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps, Question
from fer_xai.checks import check_count, check_number
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import fill_images
from fer_xai.scores import Output, scores


class Scorer(nn.Module):
    """A model whose output is the number that is explained, ``(B,)``, as Captum takes it."""

    def __init__(self, model: nn.Module, output: Output) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, images: Tensor, columns: Tensor, against: Tensor | None = None) -> Tensor:
        """Scores of images ``(B, 3, H, W)`` for columns ``(B, 1)``, less those of ``against``."""
        return scores(self.model(images), columns, against, output=self.output)[:, 0]


@contextmanager
def differentiating(predictor: Predictor) -> Iterator[None]:
    """Gradients on, also within a caller's inference mode."""
    with torch.inference_mode(mode=False), torch.enable_grad(), predictor.autocast():
        yield


def extra(question: Question) -> tuple[Any, ...]:
    """What a :class:`Scorer` is given beside the images, for a question with one target."""
    if question.against is None:
        return (question.columns,)
    return (question.columns, question.against)


def per_target(
    question: Question,
    make: Callable[[Question], Tensor],
    *,
    whole: Tensor | None = None,
) -> Maps:
    """Maps of methods that explain one target at a time.

    ``make`` returns channels ``(B, 3, H, W)`` for a question with one target; ``whole`` ``(B, K)``
    is what they should add up to, for methods with a law of completeness.
    """
    images = question.images.detach().requires_grad_()  # Captum warns where it has to do so
    asked = dataclasses.replace(question, images=images)
    made = [make(asked.one(target)) for target in range(question.targets)]
    channels = torch.stack([part.detach().float() for part in made], dim=1)
    cells = channels.sum(dim=2)
    gap = None if whole is None else cells.sum(dim=(-2, -1)) - whole
    return Maps(cells=cells, channels=channels, gap=gap, whole=whole)


@dataclass(frozen=True, kw_only=True)
class Gradient(Attribution):
    """The score's gradient (Simonyan et al., ICLR workshops 2014), with its sign.

    The paper shows the largest absolute value over channels; take it from the channels.
    """

    reference: ClassVar[str] = "Simonyan et al., ICLR workshops 2014, sec. 3"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        with differentiating(predictor):
            method = Saliency(Scorer(predictor.fastest, question.output))
            return per_target(
                question,
                lambda q: method.attribute(q.images, abs=False, additional_forward_args=extra(q)),
            )

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards and backwards a target."""
        del predictor, regions
        return float(targets), float(targets)


@dataclass(frozen=True, kw_only=True)
class InputTimesGradient(Attribution):
    """The image times the gradient: a first-order account of the way from black."""

    implied_fill: ClassVar[str | None] = "black"
    reference: ClassVar[str] = "Shrikumar et al., arXiv 1605.01713"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        with differentiating(predictor):
            method = InputXGradient(Scorer(predictor.fastest, question.output))
            return per_target(
                question,
                lambda q: method.attribute(q.images, additional_forward_args=extra(q)),
            )

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards and backwards a target."""
        del predictor, regions
        return float(targets), float(targets)


@dataclass(frozen=True, kw_only=True)
class IntegratedGradientsTo(Attribution):
    """Gradients integrated on the straight way from a baseline (Sundararajan et al., ICML 2017).

    A face whose map misses more than ``tolerance`` of the score's difference is integrated again
    with twice the points, and again, up to ``most``; whatever its neighbours in the batch.

    Attributes
    ----------
    baseline
        A fill (see :data:`fer_xai.perturb.fills.FILLS`).
    steps
        Points of the Gauss-Legendre rule.
    most
        Points up to which they are doubled; no more than ``steps`` for a fixed number.
    """

    baseline: str = "black"
    steps: int = 32
    most: int = 256
    law: ClassVar[str | None] = "score of the face − score of the baseline"
    tolerance: ClassVar[float] = 0.05
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, eq. 1"

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        check_count("most", self.most)

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and what they lack of the score's difference."""
        baselines = fill_images(question.images, self.baseline, generators(question, "baseline"))
        ends = predictor.run(question.images), predictor.run(baselines)
        whole = question.scores(ends[0]) - question.scores(ends[1])

        def integrated(q: Question, start: Tensor, steps: int) -> Tensor:
            batch = max(predictor.batch_size_for(len(q) * steps), len(q))
            found: Tensor = method.attribute(
                q.images,
                start,
                additional_forward_args=extra(q),
                n_steps=steps,
                internal_batch_size=batch,
            )
            return found.detach()

        def make(q: Question) -> Tensor:
            due = q.scores(ends[0]) - q.scores(ends[1])  # (B, 1)
            found, steps = integrated(q, baselines, self.steps), 2 * self.steps
            while steps <= self.most:
                cells = found.float().sum(dim=1, keepdim=True)  # (B, 1, H, W)
                share = Maps(cells=cells, gap=cells.sum(dim=(2, 3)) - due, whole=due)
                assert share.completeness_gap is not None
                lacking = (share.completeness_gap[:, 0].abs() > self.tolerance).nonzero()[:, 0]
                if not len(lacking):
                    break
                found[lacking] = integrated(q.rows(lacking), baselines[lacking], steps)
                steps *= 2
            return found

        with differentiating(predictor):
            method = IntegratedGradients(Scorer(predictor.fastest, question.output))
            return per_target(question, make, whole=whole)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards and backwards a step, and two for the gap; more where steps are doubled."""
        del predictor, regions
        return float(targets * self.steps + 2), float(targets * self.steps)


@dataclass(frozen=True, kw_only=True)
class SmoothGrad(Attribution):
    """The mean gradient over noisy copies (Smilkov et al., arXiv 1706.03825).

    Captum's NoiseTunnel draws from the global generator, so that a face's map depends on its
    neighbours; here each face has noise of its own.

    Attributes
    ----------
    samples
        Copies a face.
    noise
        Standard deviation as a share of the image's range of values.
    """

    samples: int = 25
    noise: float = 0.15
    random: ClassVar[bool] = True
    reference: ClassVar[str] = "Smilkov et al., arXiv 1706.03825"

    def __post_init__(self) -> None:
        check_count("samples", self.samples)
        check_number("noise", self.noise, 0, ends=True)

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        images = question.images
        spread = self.noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3)))
        sources = generators(question, "noise")

        def noisy(_: int) -> tuple[Tensor, None]:
            drawn = torch.stack([torch.randn(images.shape[1:], generator=g) for g in sources])
            return images + spread[:, None, None, None] * drawn.to(images), None

        channels = self.summary(*mean_gradient(predictor, question, noisy, samples=self.samples))
        return Maps(cells=channels.sum(dim=2), channels=channels)

    @staticmethod
    def summary(mean: Tensor, variance: Tensor) -> Tensor:
        """What is kept of the gradients' mean and variance."""
        del variance
        return mean

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards a copy, one backwards a copy and target."""
        del predictor, regions
        return float(self.samples), float(targets * self.samples)


@dataclass(frozen=True, kw_only=True)
class VarGrad(SmoothGrad):
    """The gradient's variance over noisy copies (Adebayo et al., NeurIPS 2018): it has no sign."""

    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Adebayo et al., NeurIPS 2018"

    @staticmethod
    def summary(mean: Tensor, variance: Tensor) -> Tensor:
        """The variance, channel by channel."""
        del mean
        return variance.clamp(min=0)


@dataclass(frozen=True, kw_only=True)
class GradientShap(Attribution):
    """Gradients at random points on the ways from several baselines, times the way (Lundberg & Lee,
    NeurIPS 2017, "expected gradients").

    Captum's draws from the global generators; here each face has draws of its own. The points of a
    baseline are stratified: each is drawn from an equal part of the way, which leaves the mean
    what it is and a fraction of the variance. Every baseline weighs alike, however many points
    it has. Where a map still misses more than ``tolerance`` of what it should add up to, it is made
    anew from twice the points, and again, up to ``most``.

    Attributes
    ----------
    baselines
        Fills to start from.
    samples
        Points a face, shared among the baselines; at least one each.
    most
        Points up to which they are doubled; no more than ``samples`` for a fixed number.
    """

    baselines: tuple[str, ...] = ("black", "mean", "blur")
    samples: int = 24
    most: int = 384
    random: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.1
    law: ClassVar[str | None] = "score of the face − mean score of the baselines"
    reference: ClassVar[str] = "Lundberg & Lee, NeurIPS 2017; Erion et al., Nat. Mach. Intell. 2021"

    def __post_init__(self) -> None:
        check_count("samples", self.samples)
        check_count("most", self.most)
        given: object = self.baselines
        if isinstance(given, str):
            raise InputError(
                f"Expected baselines as a sequence of fills, got {self.baselines!r}: write "
                f"({self.baselines!r},)."
            )
        check_count("the number of baselines", len(self.baselines))
        if self.samples < len(self.baselines):
            raise InputError(
                f"Expected at least one sample for each of {len(self.baselines)} baselines, got "
                f"{self.samples}: take more samples or fewer baselines."
            )

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and what they lack of the mean difference of scores."""
        images = question.images
        sources = generators(question, "path")
        starts = torch.stack([fill_images(images, kind, sources) for kind in self.baselines])
        full = question.scores(predictor.run(images))
        empty = torch.stack(
            [question.scores(predictor.run(start)) for start in starts]
        )  # (S, B, K)
        whole = full - empty.mean(dim=0)
        channels = self._expected(predictor, question, starts, sources, self.samples)
        samples = 2 * self.samples
        while samples <= self.most:
            cells = channels.sum(dim=2)  # (B, K, H, W)
            share = Maps(cells=cells, gap=cells.sum(dim=(2, 3)) - whole, whole=whole)
            assert share.completeness_gap is not None
            lacking = share.completeness_gap.abs() > self.tolerance  # (B, K)
            if not bool(lacking.any()):
                break
            for target in range(question.targets):
                faces = lacking[:, target].nonzero()[:, 0]
                if len(faces):
                    again = question.one(target).rows(faces)
                    fresh = generators(again, f"path of {samples}")
                    channels[faces, target] = self._expected(
                        predictor, again, starts[:, faces], fresh, samples
                    )[:, 0]
            samples *= 2
        cells = channels.sum(dim=2)
        return Maps(cells=cells, channels=channels, gap=cells.sum(dim=(2, 3)) - whole, whole=whole)

    @staticmethod
    def _expected(
        predictor: Predictor,
        question: Question,
        starts: Tensor,
        sources: list[torch.Generator],
        samples: int,
    ) -> Tensor:
        """Mean of gradients times ways ``(B, K, 3, H, W)`` from starts ``(S, B, 3, H, W)``."""
        images, count = question.images, len(starts)

        def point(sample: int) -> tuple[Tensor, Tensor]:
            stratum, number = divmod(sample, count)
            start, points = starts[number], len(range(number, samples, count))
            drawn = torch.stack([torch.rand(1, generator=g) for g in sources]).to(images)
            there = ((stratum + drawn) / points)[:, :, None, None]
            weight = samples / (points * count)  # each baseline alike
            return torch.lerp(start, images, there), (images - start) * weight

        return mean_gradient(predictor, question, point, samples=samples)[0]

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards a point, one backwards a point and target; the gap needs a few more, and so
        do faces whose points are doubled.
        """
        del predictor, regions
        forward = 1.0 + self.samples + len(self.baselines)
        return forward, float(targets * self.samples)


def mean_gradient(
    predictor: Predictor,
    question: Question,
    sample: Callable[[int], tuple[Tensor, Tensor | None]],
    *,
    samples: int,
) -> tuple[Tensor, Tensor]:
    """Mean and variance ``(B, K, 3, H, W)`` of gradients at sampled images, by Welford's updates:
    a difference of mean squares would leave rounding noise where nothing varies.

    ``sample`` gives images ``(B, 3, H, W)`` and what their gradient is multiplied by, or None.
    """
    faces, size = len(question), question.images.shape[1:]
    mean = torch.zeros(faces, question.targets, *size, device=question.images.device)
    spread = torch.zeros_like(mean)
    # a pass holds several samples of few faces
    together = max(1, predictor.batch_size_for(faces * samples) // max(1, faces))
    for start in range(0, samples, together):
        drawn = [sample(index) for index in range(start, min(start + together, samples))]
        with differentiating(predictor):
            leaf = torch.stack([images.detach() for images, _ in drawn], dim=1).flatten(0, 1)
            leaf = leaf.contiguous(memory_format=torch.channels_last).requires_grad_()
            each = question.scores(predictor.fastest(leaf), each=len(drawn)).sum(dim=0)  # (K,)
            for target, score in enumerate(each.unbind()):
                more = target + 1 < len(each)
                found = torch.autograd.grad(score, leaf, retain_graph=more)[0].float()
                gradients = found.unflatten(0, (faces, len(drawn))).unbind(dim=1)
                for place, (gradient, (_, factor)) in enumerate(zip(gradients, drawn, strict=True)):
                    value = gradient if factor is None else gradient * factor
                    away = value - mean[:, target]
                    mean[:, target] += away / (start + place + 1)
                    spread[:, target] += away * (value - mean[:, target])
    return mean, spread / samples


def generators(question: Question, salt: str) -> list[torch.Generator]:
    """A generator a face."""
    return [question.generator(face, salt) for face in range(len(question))]


for _name, _method in {
    "saliency": Gradient(),
    "input_x_gradient": InputTimesGradient(),
    "integrated_gradients": IntegratedGradientsTo(),
    "integrated_gradients_blur": IntegratedGradientsTo(baseline="blur"),
    "smoothgrad": SmoothGrad(),
    "vargrad": VarGrad(),
    "gradient_shap": GradientShap(),
}.items():
    ATTRIBUTIONS.register(_name)(_method)
