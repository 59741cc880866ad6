"""Attention of transformers as maps: rollout, and rollout weighted by gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from fer_xai.attributions.core.canonizers import check_copy
from fer_xai.attributions.core.differentiation import differentiating
from fer_xai.attributions.core.feature_maps import noise, token_grid
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.core.tokens import Tokens
from fer_xai.copying import deep_copy
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor


class _OpenAttention(nn.MultiheadAttention):
    """An ``nn.MultiheadAttention`` with the same attributes, which always calls
    ``scaled_dot_product_attention``, so that a listener sees it, and returns no weights.
    """

    def forward(  # type: ignore[override]  # noqa: PLR0917 - what it stands in for
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, None]:
        """Tokens ``(B, T, C)``, or ``(T, B, C)`` where the batch is not first, in and out."""
        del need_weights
        strange = self.in_proj_weight is None or self.bias_k is not None or self.add_zero_attn
        if strange or key_padding_mask is not None:
            raise InputError(
                "Expected attention among all tokens for an attention rollout, got one with "
                "padding, extra keys or keys of another width: take gradcam."
            )
        weights = self.in_proj_weight.chunk(3)
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(tokens if self.batch_first else tokens.transpose(0, 1), weight, bias)
            .unflatten(2, (self.num_heads, -1))
            .transpose(1, 2)
            for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )  # (B, heads, T, C / heads)
        if attn_mask is not None:
            if attn_mask.dtype == torch.bool:
                attn_mask = ~attn_mask  # here True hides, in the function that is called it shows
            if attn_mask.ndim == 3:
                attn_mask = attn_mask.unflatten(0, (-1, self.num_heads))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask).transpose(1, 2).flatten(2)
        out = self.out_proj(mixed)  # (B, T, C)
        return out if self.batch_first else out.transpose(0, 1), None


class _Listener(TorchFunctionMode):
    """Computes attention step by step and keeps its weights ``(B, heads, T, T)``."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Replace one function, and leave all others as they are."""
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention:
            return func(*args, **kwargs)
        q, k, v = args[:3]
        mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
        scale = kwargs.get("scale") or q.shape[-1] ** -0.5
        likeness = q @ k.transpose(-2, -1) * scale
        if mask is not None and mask.dtype == torch.bool:
            likeness = likeness.masked_fill(~mask, -torch.inf)
        elif mask is not None:
            likeness = likeness + mask
        weights = likeness.softmax(dim=-1)
        self.weights.append(weights)
        return weights @ v


def attentions(predictor: Predictor, question: Question) -> tuple[Tensor, list[Tensor]]:
    """Logits and the attention weights of each block, in a graph.

    Parameters
    ----------
    predictor
        The model.
    question
        The faces; their targets are not read.

    Returns
    -------
    tuple
        Logits ``(B, classes)``, and for each block ``(B, heads, T, T)``.

    Raises
    ------
    InputError
        If the network has no attention among all of its tokens (Swin attends within windows), or
        attention that cannot be read without changing the logits.

    Examples
    --------
    >>> from torchvision.models import VisionTransformer
    >>> from fer_xai import FERModel
    >>> sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 2}
    >>> net = VisionTransformer(image_size=8, patch_size=4, **sizes)
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> question = Question(images=torch.rand(1, 3, 8, 8), columns=torch.tensor([[1]]))
    >>> _, weights = attentions(used, question)
    >>> [tuple(block.shape) for block in weights]  # four patches and a class token
    [(1, 2, 5, 5), (1, 2, 5, 5)]
    """
    if "attention" not in predictor.rewritten:
        predictor.rewritten["attention"] = _opened(predictor)
    return _listened(predictor.rewritten["attention"], question.images)


def _listened(model: Any, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    # parameters need no gradient, so the images must, for the weights to have one
    images = images.detach().clone().requires_grad_(torch.is_grad_enabled())
    with _Listener() as listener:
        logits = model(images)
    kept = listener.weights
    shapes = {weights.shape[2:] for weights in kept if weights.ndim == 4}
    fits = len(shapes) == 1 and all(len(w) == len(images) and w.ndim == 4 for w in kept)
    if not fits or len(set(next(iter(shapes)))) != 1:
        reason = "attends within windows or over several sizes" if kept else "has no attention"
        raise InputError(
            f"Expected attention among all tokens for an attention rollout, but {model.name} "
            f"{reason}: take gradcam."
        )
    return logits, kept


def _opened(predictor: Predictor) -> Any:
    """A copy of the model whose attention weights can be read. Its ``reading`` ``(T,)`` marks the
    tokens that the logits depend on after the last block, and its ``tokens`` tells the patches
    among them.
    """
    opened = deep_copy(predictor.model)
    for module in opened.net.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.__class__ = _OpenAttention
        if hasattr(module, "fused_attn"):  # timm's
            module.fused_attn = True
    check_copy(predictor, lambda images: _listened(opened, images)[0], "an attention rollout")
    with differentiating(predictor):
        logits, kept = _listened(opened, noise(predictor))
        weights = torch.linspace(1, 2, logits.shape[1], device=logits.device)
        last = torch.autograd.grad((logits.float() * weights).sum(), kept[-1])[0]
    read = (last != 0).any(dim=3).flatten(0, 1).any(dim=0)
    opened.reading = read if bool(read.any()) else ~read  # a head of zeros reads none
    opened.tokens = token_grid(predictor, len(read)) or _reshaped(opened.reshape, len(read))
    if opened.tokens is None:
        raise InputError(
            f"Expected {len(read)} tokens whose patches can be traced for an attention rollout, "
            f"but those of {predictor.name} stand for the cells of no patch embedding: hand in "
            "FERModel(net, reshape=…), which makes (B, C, h, w) of tokens (B, T, C)."
        )
    return opened


def _reshaped(reshape: Callable[[Tensor], Tensor] | None, length: int) -> Tokens | None:
    """The patches among the tokens as the model's own ``reshape`` takes them, if it does."""
    if reshape is None:
        return None
    numbers = torch.arange(length, dtype=torch.float64).view(1, length, 1)
    try:
        places = reshape(numbers)
    except (RuntimeError, IndexError):  # it is made for another number of tokens or channels
        return None
    if (
        places.ndim != 4
        or places.shape[:2] != (1, 1)
        or not bool(torch.isin(places, numbers).all())
    ):
        return None
    side = (places.shape[2], places.shape[3])
    return Tokens(side=side, places=places.flatten().long(), length=length)


def _pooled(rollout: Tensor, opened: Any) -> Tensor:
    """Shares of the patches in the tokens that the logits read (a class token, or all patches where
    they are averaged): ``(…, T, T)`` to ``(…, h, w)``.
    """
    tokens: Tokens = opened.tokens
    row = rollout[..., opened.reading, :].mean(dim=-2)  # (…, T)
    return row[..., tokens.places.to(row.device)].unflatten(-1, tokens.side)


@dataclass(frozen=True, kw_only=True)
class AttentionRollout(Attribution):
    """Attention rollout: attention multiplied through the blocks, with a half of each for the
    residual (Abnar & Zuidema, ACL 2020). It asks for no target.

    Examples
    --------
    >>> from torchvision.models import VisionTransformer
    >>> from fer_xai import FERModel, explain
    >>> sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 2}
    >>> net = VisionTransformer(image_size=8, patch_size=4, **sizes)
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> explain(model, torch.rand(1, 3, 8, 8), method=AttentionRollout()).maps.shape
    torch.Size([1, 8, 8])
    """

    class_blind: ClassVar[bool] = True
    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Abnar & Zuidema, ACL 2020, eq. 1"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the tokens' resolution."""
        with differentiating(predictor):
            _, kept = attentions(predictor, question)
        total: Tensor | None = None
        for weights in kept:
            mean = weights.detach().float().mean(dim=1)  # (B, T, T)
            mixed = 0.5 * mean + 0.5 * torch.eye(mean.shape[-1], device=mean.device)
            total = mixed if total is None else mixed @ total
        assert total is not None
        cells = _pooled(total, predictor.rewritten["attention"])[:, None].expand(
            -1, question.targets, -1, -1
        )
        return Maps(cells=cells)

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """Treatment of heads and residuals."""
        del predictor
        return {"heads": "mean", "residual": 0.5}

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forward pass."""
        del predictor, targets, regions
        return 1.0, 0.0


@dataclass(frozen=True, kw_only=True)
class GradientRollout(Attribution):
    """Gradient rollout: attention weighted by the positive gradient of the target, added up through
    the blocks (Chefer et al., ICCV 2021): R ← R + mean_heads(relu(∇A ∘ A)) R, from R = 1.

    Examples
    --------
    >>> from torchvision.models import VisionTransformer
    >>> from fer_xai import FERModel, explain
    >>> sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 2}
    >>> net = VisionTransformer(image_size=8, patch_size=4, **sizes)
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> explain(model, torch.rand(1, 3, 8, 8), method=GradientRollout()).maps.shape
    torch.Size([1, 8, 8])
    """

    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Chefer et al., ICCV 2021, eq. 5-6 and 10"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the tokens' resolution."""
        made = []
        with differentiating(predictor):
            logits, kept = attentions(predictor, question)
            opened = predictor.rewritten["attention"]
            each = question.scores(logits).sum(dim=0)  # (K,)
            for target, score in enumerate(each.unbind()):
                more = target + 1 < len(each)
                gradients = torch.autograd.grad(score, kept, retain_graph=more)
                made.append(_pooled(_relevance(kept, gradients), opened))
        return Maps(cells=torch.stack(made, dim=1))

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """Treatment of heads."""
        del predictor
        return {"heads": "mean of positive gradient × attention"}

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forward pass, and a backward pass for each target."""
        del predictor, regions
        return 1.0, float(targets)


def _relevance(kept: list[Tensor], gradients: tuple[Tensor, ...]) -> Tensor:
    """R ``(B, T, T)`` of Chefer et al., without each token's own start."""
    eye = torch.eye(kept[0].shape[-1], device=kept[0].device)
    total = eye.expand(len(kept[0]), -1, -1)
    for weights, gradient in zip(kept, gradients, strict=True):
        gain = (weights * gradient).detach().float().clamp(min=0).mean(dim=1)
        total = total + gain @ total
    return total - eye


ATTRIBUTIONS.register("attention_rollout")(AttentionRollout())
ATTRIBUTIONS.register("gradient_rollout")(GradientRollout())
