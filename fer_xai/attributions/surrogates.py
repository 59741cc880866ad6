"""A linear model fitted to the scores of faces with random parts of them left out.

LIME and Kernel SHAP. Captum has both for one image and one target at a time; here passes are shared
by all targets and batched across faces, and the fit is exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from skimage.segmentation import slic
from torch import Tensor

from fer_xai.attributions.core.passes import masked_scores
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.perturbation import painted
from fer_xai.checks import check_choice, check_count, check_number
from fer_xai.draws.streams import Stream
from fer_xai.inference.predictor import Predictor


def superpixels(images: Tensor, *, n: int, compactness: float = 10.0) -> Tensor:
    """SLIC superpixels (Achanta et al., TPAMI 2012) as masks.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    n
        Approximate number of superpixels a face.
    compactness
        Weight of nearness in space against likeness in colour.

    Returns
    -------
    Tensor
        Bool ``(B, R, H, W)``, R the largest number in any face; the last ones of a face may be
        empty.

    Examples
    --------
    >>> stripes = torch.zeros(1, 3, 8, 8)
    >>> stripes[..., 4:] = 1
    >>> bool((superpixels(stripes, n=4).sum(dim=1) == 1).all())  # each pixel lies in one
    True
    """
    labels = [
        torch.from_numpy(
            slic(
                image.permute(1, 2, 0).cpu().numpy(),
                n_segments=n,
                compactness=compactness,
                start_label=0,
            )
        )
        for image in images
    ]
    most = max(int(label.max()) + 1 for label in labels)
    numbers = torch.arange(most)[:, None, None]
    return torch.stack([label[None] == numbers for label in labels]).to(images.device)


@dataclass(frozen=True, kw_only=True)
class Surrogate(Attribution):
    """LIME or Kernel SHAP: a weighted linear fit of the score to which parts are left in.

    Attributes
    ----------
    samples
        Random coalitions a face.
    parts
        Approximate number of superpixels, where no regions are handed in.
    fill
        The fill of parts that are left out (see :data:`fer_xai.perturb.fills.FILLS`).
    kernel
        ``lime``: each part is left in with probability ½, and coalitions are weighted by
        exp(−d² / σ²), d the cosine distance to the whole face (Ribeiro et al., KDD 2016). ``shap``:
        sizes are drawn from the Shapley kernel, in pairs with their complements, and the fit is
        constrained to efficiency (Lundberg & Lee, NeurIPS 2017; Covert & Lee, AISTATS 2021).
    sigma
        σ of LIME's kernel.
    ridge
        Penalty of LIME's fit, above 0: with fewer coalitions than parts nothing else decides it.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> method = Surrogate(kernel="shap", samples=8, parts=4)
    >>> bool(explain(model, faces, method=method).completeness_gap.abs().max() < 1e-3)
    True
    """

    samples: int = 512
    parts: int = 40
    fill: str = "mean"
    kernel: Literal["lime", "shap"] = "lime"
    sigma: float = 0.25
    ridge: float = 1.0
    random: ClassVar[bool] = True
    reference: ClassVar[str] = "Ribeiro et al., KDD 2016; Lundberg & Lee, NeurIPS 2017, th. 2"

    def __post_init__(self) -> None:
        check_count("samples", self.samples)
        check_count("parts", self.parts)
        check_choice("kernel", self.kernel, ("lime", "shap"))
        check_number("sigma", self.sigma, 0)
        check_number("ridge", self.ridge, 0)

    @property
    def law(self) -> str | None:  # type: ignore[override]
        """Efficiency, which constrains the fit of ``shap``."""
        return "score of the face − score of the filled face" if self.kernel == "shap" else None

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and a coefficient for each part."""
        logits = None
        if self.kernel == "shap":
            logits = predictor.run(question.images)
            question = question.resolved(logits)
        regions = question.regions
        if regions is None:
            regions = superpixels(question.images, n=self.parts)
        there = regions.flatten(2).any(dim=2)  # (B, R): superpixels may be fewer in one face
        drawn = self._coalitions(question, there).to(predictor.device)  # (B, P, R)
        filled = question.filled(self.fill)
        owner = regions.to(torch.uint8).argmax(dim=1)  # (B, H, W)

        def kept(faces: Tensor, numbers: Tensor) -> Tensor:
            present, owners = drawn[faces, numbers], owner[faces]
            return present.gather(1, owners.flatten(1)).reshape(owners.shape)

        found = masked_scores(predictor, question, kept, filled, variants=self.samples).double()
        if logits is None:
            values = self._lime(drawn.cpu(), found, there.cpu())
            return painted(values.transpose(1, 2).to(predictor.device), regions)
        ends = torch.stack(
            [question.scores(predictor.run(filled.whole)), question.scores(logits)]
        ).cpu()
        values = _efficient(drawn.cpu(), found, there.cpu(), ends.double())
        expected = ends[1] - ends[0]  # (B, K)
        return dataclasses.replace(
            painted(values.transpose(1, 2).to(predictor.device), regions),
            expected_sum=expected,
            completeness_delta=values.sum(dim=1).float() - expected,
            logits=logits,
        )

    def gives_logits(self, predictor: Predictor) -> bool:
        """If the kernel is that of SHAP, since efficiency is a law about them."""
        del predictor
        return self.kernel == "shap"

    def _coalitions(self, question: Question, there: Tensor) -> Tensor:
        """Bool ``(B, P, R)``: parts that are left in."""
        sources, present = question.streams("coalitions"), there.cpu()
        if self.kernel == "lime":  # part after part, so that a neighbour's parts change nothing
            drawn = sources.bernoulli(0.5, there.shape[1], self.samples)
            return (drawn & present[..., None]).transpose(1, 2).contiguous()
        drawn = torch.zeros(len(question), self.samples, there.shape[1], dtype=torch.bool)
        for face, source in enumerate(sources):
            parts = present[face].nonzero()[:, 0]
            if len(parts) > 1:
                half = _by_shapley_kernel(len(parts), (self.samples + 1) // 2, source)
                both = torch.stack([half, ~half], dim=1).flatten(0, 1)[: self.samples]
                drawn[face][:, parts] = both
        return drawn

    def _lime(self, drawn: Tensor, found: Tensor, there: Tensor) -> Tensor:
        """Ridge coefficients ``(B, R, K)`` with an unpenalised intercept, 0 for absent parts."""
        x = drawn.double()
        share = x.sum(dim=2) / there.sum(dim=1, keepdim=True).clamp(min=1)
        distance = 1 - share.sqrt()  # cosine distance of a 0/1 vector to all ones
        weights = torch.exp(-(distance**2) / self.sigma**2)[..., None]  # (B, P, 1)
        total = weights.sum(dim=1, keepdim=True)
        x = x - (weights * x).sum(dim=1, keepdim=True) / total
        y = found - (weights * found).sum(dim=1, keepdim=True) / total
        gram = x.transpose(1, 2) @ (weights * x)
        gram = gram + torch.diag_embed(torch.where(there, self.ridge, 1.0).double())
        return torch.linalg.solve(gram, x.transpose(1, 2) @ (weights * y))

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """Its options; those of LIME only where it is LIME."""
        names = ["samples", "parts", "fill", "kernel"]
        del predictor
        names += ["sigma", "ridge"] if self.kernel == "lime" else []
        return {name: getattr(self, name) for name in names}

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each coalition; for SHAP also the whole and the empty face."""
        del predictor, targets, regions
        return self.samples + (0.0 if self.kernel == "lime" else 2.0), 0.0


def _by_shapley_kernel(parts: int, n: int, source: Stream) -> Tensor:
    """Bool ``(n, parts)``: coalitions of 1 to parts − 1, sizes by the Shapley kernel."""
    sizes = torch.arange(1, parts)
    odds = (parts - 1) / (sizes * (parts - sizes)).double()  # of a size, whichever its coalition
    chosen = sizes[source.choice(odds, n)]
    first = torch.arange(parts) < chosen[:, None]
    return torch.zeros_like(first).scatter_(1, source.randperm(parts, n), first)


def _efficient(drawn: Tensor, found: Tensor, there: Tensor, ends: Tensor) -> Tensor:
    """Least squares ``(B, R, K)`` under Σ φ = v(all) − v(none), for coalitions that were drawn by
    the kernel and so have equal weights.
    """
    out = found.new_zeros(drawn.shape[0], drawn.shape[2], found.shape[2])
    for face in range(len(drawn)):
        present = there[face].nonzero()[:, 0]
        none, full = ends[0, face], ends[1, face]  # (K,)
        if len(present) < 2:
            out[face, present] = full - none
            continue
        x = drawn[face][:, present].double()  # (P, r)
        gram = x.T @ x / len(x)
        right = x.T @ (found[face] - none) / len(x)  # (r, K)
        inverse = torch.linalg.pinv(gram)
        ones = torch.ones(len(present), 1, dtype=gram.dtype)
        lack = (ones.T @ inverse @ right - (full - none)) / (ones.T @ inverse @ ones)
        out[face, present] = inverse @ (right - ones * lack)
    return out


ATTRIBUTIONS.register("lime")(Surrogate())
ATTRIBUTIONS.register("kernel_shap")(Surrogate(kernel="shap"))
