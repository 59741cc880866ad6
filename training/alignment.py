"""Alignment loss: the network's own Grad-CAM against the action units of the true emotion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.cam import GradCam
from fer_xai.attributions.core.feature_maps import Layer, feature_maps
from fer_xai.attributions.core.layers import layer_of
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from training.align_areas import located

Loss = Literal["contrast", "cosine"]


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What a network is aligned with while it is trained.

    Attributes
    ----------
    weight
        Weight of the alignment loss beside the cross-entropy; with 0 alignment is measured alone.
    loss
        ``contrast`` or ``cosine``, see :func:`alignment_scores`.
    edition, codebook
        Edition of the areas of action units, and the units of each emotion.
    layer
        Layer that Grad-CAM is taken from.
    shares
        ``(C,)``: share of each output column among the training faces that are aligned.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.models import load_model
    >>> made = alignment_of(load_model("gimefive"), synthetic_faces(12), weight=0.5)
    >>> made.layer.name, made.layer.side, made.loss
    ('relu5', (4, 4), 'contrast')
    """

    weight: float
    loss: Loss
    edition: str
    codebook: str
    layer: Layer
    shares: Tensor

    @contextmanager
    def watched(self, model: FERModel) -> Iterator[list[Tensor]]:
        """Keep the layer's output of each pass, the last one at the end of the list.

        A pass without a graph has one from this layer on, which ends with the block.
        """
        kept: list[Tensor] = []
        graph = torch.is_grad_enabled()

        def hook(_: torch.nn.Module, __: object, output: Tensor) -> Tensor:
            torch.set_grad_enabled(True)
            kept.append(output if output.requires_grad else output.detach().requires_grad_())
            return kept[-1].clone()  # later parts may work in place

        handle = model.net.get_submodule(self.layer.name).register_forward_hook(hook)
        try:
            yield kept
        finally:
            handle.remove()
            torch.set_grad_enabled(graph)

    def scores(
        self, kept: Sequence[Tensor], logits: Tensor, columns: Tensor, areas: Tensor
    ) -> Tensor:
        """How well the maps of the true emotions align ``(B,)``, with a graph; NaN if undefined.

        Parameters
        ----------
        kept
            Outputs of the layer, as :meth:`watched` lists them.
        logits
            ``(B, C)`` of the same pass.
        columns
            ``(B,)``: output column of each face's true emotion.
        areas
            ``(B, C, H, W)``: areas of all emotions, moved as the images are.
        """
        with torch.enable_grad():
            cells = cam_cells(kept[-1], logits, columns, self.layer)
        return alignment_scores(cells, areas, columns, shares=self.shares, kind=self.loss)


def alignment_of(
    model: FERModel,
    train: Faces,
    *,
    weight: float,
    loss: Loss = "contrast",
    edition: str = "fer_xai",
    codebook: str = "emfacs",
) -> Alignment:
    """The alignment of a model with its training faces.

    Parameters
    ----------
    model
        Model to be trained.
    train
        Training faces with landmarks, unknown ones NaN.
    weight, loss, edition, codebook
        As in :class:`Alignment`.

    Raises
    ------
    InputError
        If no layer of the model has Grad-CAM maps, or some emotion has no training face with
        landmarks.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.models import load_model
    >>> alignment_of(load_model("gimefive"), synthetic_faces(3), weight=1.0)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected training faces with landmarks of every emotion to align ...
    """
    layer = cam_layer(model)
    columns = model.columns(train.labels)[torch.from_numpy(located(train))]
    counts = torch.bincount(columns, minlength=len(model.emotions))
    missing = [name for name, count in zip(model.emotions, counts, strict=True) if not count]
    if missing:
        raise InputError(
            f"Expected training faces with landmarks of every emotion to align maps with, but "
            f"{train.name} has none of {', '.join(missing)}: name other --landmarks, or leave "
            "--align out."
        )
    return Alignment(
        weight=weight,
        loss=loss,
        edition=edition,
        codebook=codebook,
        layer=layer,
        shares=counts / counts.sum(),
    )


def cam_layer(model: FERModel) -> Layer:
    """The layer that Grad-CAM of a model is taken from, as studies take it.

    Raises
    ------
    InputError
        If it has no spatial layer of 2×2 cells or more, or one that runs more than once a pass.

    Examples
    --------
    >>> flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    >>> cam_layer(FERModel(flat, emotions=["happiness", "fear"], size=2, name="flat"))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a model with Grad-CAM maps to align (--align), but flat ...
    """
    was = model.training
    try:
        layer = layer_of(Predictor(model.eval(), device="cpu"), None)
    except InputError as refused:
        raise InputError(
            f"Expected a model with Grad-CAM maps to align (--align), but {model.name} has none: "
            f"{refused}"
        ) from refused
    finally:
        model.train(was)
    if min(layer.side) < 2 or layer.calls != 1:
        raise InputError(
            f"Expected a model with Grad-CAM maps to align (--align), but the layer {layer.name} "
            f"of {model.name} has {layer.side[0]}×{layer.side[1]} cells and runs {layer.calls} "
            "times a pass: leave --align out, or train at a larger --size."
        )
    return layer


def cam_cells(output: Tensor, logits: Tensor, columns: Tensor, layer: Layer) -> Tensor:
    """Grad-CAM of a column ``(B, h, w)`` before its ReLU, which a loss can be taken of.

    The weights of channels are gradients, and keep their own graph: the loss reaches the head too.
    For a head behind average pooling they are those of
    :class:`~fer_xai.attributions.cam.SignedGradCam`, exactly. The ReLU is left out, because a map
    that it blanks has no gradient: just the faces whose evidence speaks against their emotion would
    never be aligned.

    Parameters
    ----------
    output
        Output of the layer, part of the graph of the logits.
    logits
        ``(B, C)``.
    columns
        ``(B,)``: the column of each face.
    layer
        The layer.

    Examples
    --------
    >>> output = torch.rand(2, 3, 2, 2, requires_grad=True)
    >>> layer = Layer(name="conv", side=(2, 2), calls=1, cut=True, reshape=None)
    >>> logits = output.mean(dim=(2, 3))  # a channel an emotion
    >>> cells = cam_cells(output, logits, torch.tensor([2, 0]), layer)
    >>> torch.allclose(4 * cells[0], output[0, 2]), cells.requires_grad
    (True, True)
    """
    chosen = logits.float().gather(1, columns[:, None]).sum()
    (gradient,) = torch.autograd.grad(chosen, output, create_graph=True)
    parts = [
        feature_maps(value, layer.reshape, layer.tokens, layer.grids)
        for value in (output, gradient)
    ]
    assert parts[0] is not None
    assert parts[1] is not None
    return GradCam.combine(parts[0].float(), parts[1].float())


def alignment_scores(
    cells: Tensor, areas: Tensor, columns: Tensor, *, shares: Tensor, kind: Loss
) -> Tensor:
    """How well do maps of the true emotion align with its area? The loss is 1 less this score.

    ``cosine``: the cosine of the map and the area of the face's true emotion, which Belharbi et al.
    ("Guided interpretable facial expression recognition via spatial action unit cues", FG 2024,
    arXiv 2402.00281) train with. A blob in the centre of every face has a high one.

    ``contrast``: that cosine less the mean of those with all emotions' areas of the same face,
    weighted by the emotions' shares among the training faces. A map that is the same whatever the
    emotion earns nothing on the average of the training faces, however frequent each emotion is;
    with equal shares it is (C − 1)/C of a row of :func:`metrics.emotion_contrast`.

    Areas are averaged over the cells of the map. Maps have a sign, so that relevance against the
    emotion inside of its area lowers the score.

    Parameters
    ----------
    cells
        ``(B, h, w)``.
    areas
        ``(B, C, H, W)`` in [0, 1].
    columns
        ``(B,)``: the true emotions.
    shares
        ``(C,)``, which add up to 1.
    kind
        ``cosine`` or ``contrast``.

    Returns
    -------
    Tensor
        ``(B,)``; NaN for faces of which some emotion's area is empty.

    Examples
    --------
    >>> areas = torch.zeros(2, 2, 4, 4)
    >>> areas[:, 0, :2], areas[:, 1, 2:] = 1, 1
    >>> shares, columns = torch.tensor([0.5, 0.5]), torch.tensor([0, 1])
    >>> own = torch.stack([areas[0, 0], areas[1, 1]])
    >>> alignment_scores(own, areas, columns, shares=shares, kind="contrast")
    tensor([0.5000, 0.5000])
    >>> everywhere_the_same = areas[:, 0]
    >>> alignment_scores(everywhere_the_same, areas, columns, shares=shares, kind="contrast").mean()
    tensor(0.)
    """
    side = (cells.shape[-2], cells.shape[-1])
    pooled = F.adaptive_avg_pool2d(areas.float(), side).flatten(2)  # (B, C, P)
    known = (pooled.amax(dim=2) > 0).all(dim=1)
    units = F.normalize(pooled, dim=2)
    maps = F.normalize(cells.flatten(1), dim=1, eps=1e-8)
    cosines = (units * maps[:, None]).sum(dim=2)  # (B, C)
    own = cosines.gather(1, columns[:, None])[:, 0]
    if kind == "contrast":
        own = own - cosines @ shares.to(cosines)
    return own.masked_fill(~known, torch.nan)
