"""A compact transformer that learns from scratch on a few thousand 64-pixel faces."""

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import EncoderBlock

from fer_xai.models.architecture import Architecture
from fer_xai.models.registry import MODELS


class CompactTransformer(nn.Module):
    """CCT-7/3×2 (Hassani et al., "Escaping the big data paradigm", arXiv 2104.05704).

    Two convolutions with max-pooling make the tokens (256 of a 64×64 image), seven pre-norm
    encoder blocks follow, and attention over the sequence, not a class token, pools them.
    3,906,759 parameters with six classes. Stochastic depth is left out; dropout stands in for it.

    Parameters
    ----------
    classes
        Number of outputs.
    size
        Pixels a side of the images, a multiple of 4.
    width, depth, heads
        Dimensions of the encoder.
    dropout
        Within the encoder.

    Notes
    -----
    Input ``(B, 3, size, size)`` normalised; output logits ``(B, classes)``.

    Examples
    --------
    >>> net = CompactTransformer(size=8, width=8, depth=1, heads=2).eval()
    >>> net(torch.rand(2, 3, 8, 8)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self,
        *,
        classes: int = 6,
        size: int = 64,
        width: int = 256,
        depth: int = 7,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.tokenizer = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Conv2d(64, width, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        for module in self.tokenizer:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        self.position = nn.Parameter(torch.empty(1, (size // 4) ** 2, width))
        nn.init.trunc_normal_(self.position, std=0.2)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *[
                EncoderBlock(
                    heads, width, 2 * width, dropout, dropout, partial(nn.LayerNorm, eps=1e-6)
                )
                for _ in range(depth)
            ]
        )
        self.norm = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 1)
        self.head = nn.Linear(width, classes)
        for linear in (self.attention, self.head):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of normalised images ``(B, 3, size, size)``."""
        tokens = self.tokenizer(x).flatten(2).transpose(1, 2)  # (B, T, width)
        tokens = self.norm(self.blocks(self.drop(tokens + self.position)))
        weights = self.attention(tokens).softmax(dim=1)  # (B, T, 1)
        logits: Tensor = self.head((weights * tokens).sum(dim=1))
        return logits


MODELS.register("cct")(
    Architecture(
        build=lambda classes: CompactTransformer(classes=classes),
        cam_layer="blocks.6.ln_1",
        parameters=3_906_759,
        reference="arXiv 2104.05704",
    )
)
