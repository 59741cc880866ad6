"""GiMeFive and the variants of its ablation (arXiv 2402.15662, table 1 and figure 2).

Written from the paper's description; parameter names and counts are those of the published
checkpoints, so that such a file loads unchanged. Activations are modules (they hold no
parameters), so that a map can be taken from any of them by name.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from fer_xai.models.architecture import Architecture
from fer_xai.models.registry import MODELS


class GiMeFive(nn.Module):
    """Plain stack of convolution blocks with a three-layer head.

    Each block is Conv3×3 → BatchNorm → ReLU → MaxPool 2 → Dropout, and doubles the channels,
    starting from 64. With five blocks and six classes it has 10,478,086 parameters in 41 tensors.

    Parameters
    ----------
    classes
        Number of outputs.
    blocks
        Convolution blocks: 5 in the paper, 4 in its "Baseline", 6 in its deepest variant.
    batch_norm
        Whether BatchNorm follows each convolution.
    block_dropout, head_dropout
        Dropout after blocks, and after the first layer of the head.
    dropout_last_block
        Whether the last block drops out too (the published four-block Baseline does).
    se_reduction
        Reduction of a squeeze-and-excitation after the first block's ReLU; 0 means none.
    flattened
        Side of the images whose last map is flattened for the head instead of averaged; 0 averages.

    Notes
    -----
    Input ``(B, 3, H, W)`` normalised, 64×64 in the paper; output logits ``(B, classes)``.

    Examples
    --------
    >>> import torch
    >>> net = GiMeFive(classes=7, blocks=1).eval()
    >>> net(torch.rand(2, 3, 8, 8)).shape
    torch.Size([2, 7])
    """

    def __init__(
        self,
        *,
        classes: int = 6,
        blocks: int = 5,
        batch_norm: bool = True,
        block_dropout: float = 0.2,
        head_dropout: float = 0.5,
        dropout_last_block: bool = False,
        se_reduction: int = 0,
        flattened: int = 0,
    ) -> None:
        super().__init__()
        self.blocks = blocks
        self.dropout_last_block = dropout_last_block
        channels = 3
        for index in range(1, blocks + 1):
            width = 64 * 2 ** (index - 1)
            self.add_module(f"conv{index}", nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                self.add_module(f"bn{index}", nn.BatchNorm2d(width))
            self.add_module(f"relu{index}", nn.ReLU())
            if index == 1 and se_reduction:
                self.se1 = SqueezeExcitation(width, reduction=se_reduction)
            channels = width
        self.max_pool = nn.MaxPool2d(2)
        self.dropout1 = nn.Dropout(block_dropout)
        self.pool = nn.Identity() if flattened else nn.AdaptiveAvgPool2d(1)
        cells = (flattened // 2**blocks) ** 2 if flattened else 1
        self.fc1 = nn.Linear(channels * cells, 2 * channels)
        self.relu_fc1 = nn.ReLU()
        self.dropout2 = nn.Dropout(head_dropout)
        self.fc2 = nn.Linear(2 * channels, channels)
        self.relu_fc2 = nn.ReLU()
        self.fc3 = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of normalised images ``(B, 3, H, W)``."""
        modules = self._modules
        for index in range(1, self.blocks + 1):
            for name in (f"conv{index}", f"bn{index}", f"relu{index}", f"se{index}"):
                if name in modules:
                    x = getattr(self, name)(x)
            x = self.max_pool(x)
            if index < self.blocks or self.dropout_last_block:
                x = self.dropout1(x)
        x = self.pool(x).flatten(1)  # (B, C)
        x = self.dropout2(self.relu_fc1(self.fc1(x)))
        logits: Tensor = self.fc3(self.relu_fc2(self.fc2(x)))
        return logits


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al., CVPR 2018), without biases as in the paper's variant.

    Examples
    --------
    >>> import torch
    >>> features = torch.rand(2, 16, 4, 4)
    >>> gated = SqueezeExcitation(16)(features)
    >>> gated.shape, bool((gated <= features).all())
    (torch.Size([2, 16, 4, 4]), True)
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Channels ``(B, C, H, W)`` scaled by gates in (0, 1)."""
        gates: Tensor = self.fc(self.avg_pool(x).flatten(1))  # (B, C)
        return x * gates[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut (He et al., CVPR 2016).

    ``bias`` tells apart the two published flavours: with biases in GiMeFiveRes, without in the
    ResNets. Each activation is a module of its own, so that no ReLU is used twice.

    Examples
    --------
    >>> import torch
    >>> block = ResidualBlock(4, 8, stride=2, bias=False).eval()
    >>> block(torch.rand(1, 4, 6, 6)).shape
    torch.Size([1, 8, 3, 3])
    """

    def __init__(self, channels: int, width: int, *, stride: int, bias: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=bias), nn.BatchNorm2d(width)
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(B, width, H / stride, W / stride)``."""
        y: Tensor = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu2(y + self.shortcut(x))
        return out


class GiMeFiveRes(nn.Module):
    """The paper's "+BN +SE +residual": a stem with SE, five residual blocks up to 2048 channels.

    95,051,014 parameters with six classes. The last map is 2×2 for a 64×64 image.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):  # shapes without numbers
    ...     net = GiMeFiveRes()
    >>> sum(parameter.numel() for parameter in net.parameters())
    95051014
    """

    def __init__(self, *, classes: int = 6) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.se1 = SqueezeExcitation(64)
        channels = 64
        for index in range(1, 6):
            block = ResidualBlock(channels, 2 * channels, stride=2, bias=True)
            self.add_module(f"res_block{index}", block)
            channels *= 2
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Linear(channels, 2 * channels)
        self.relu_fc1 = nn.ReLU()
        self.dropout1 = nn.Dropout(0.5)
        self.fc2 = nn.Linear(2 * channels, channels)
        self.relu_fc2 = nn.ReLU()
        self.fc3 = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of normalised images ``(B, 3, H, W)``."""
        x = self.se1(self.relu(self.bn1(self.conv1(x))))
        for index in range(1, 6):
            x = getattr(self, f"res_block{index}")(x)
        x = self.pool(x).flatten(1)  # (B, 2048)
        x = self.dropout1(self.relu_fc1(self.fc1(x)))
        logits: Tensor = self.fc3(self.relu_fc2(self.fc2(x)))
        return logits


def _build(
    classes: int,
    *,
    blocks: int = 5,
    batch_norm: bool = True,
    block_dropout: bool = True,
    head_dropout: bool = True,
    dropout_last_block: bool = False,
    se_reduction: int = 0,
    flattened: int = 0,
) -> nn.Module:
    return GiMeFive(
        classes=classes,
        blocks=blocks,
        batch_norm=batch_norm,
        block_dropout=0.2 if block_dropout else 0.0,
        head_dropout=0.5 if head_dropout else 0.0,
        flattened=flattened,
        dropout_last_block=dropout_last_block,
        se_reduction=se_reduction,
    )


_no_dropout = partial(_build, block_dropout=False, head_dropout=False)


def _stack(parameters: int, build: Callable[[int], nn.Module], blocks: int = 5) -> Architecture:
    return Architecture(
        build=build, cam_layer=f"relu{blocks}", paper_layer=f"conv{blocks}", parameters=parameters
    )


for _name, _architecture in {
    "gimefive": _stack(10_478_086, _build),
    "gimefive-nobn": _stack(10_474_118, partial(_build, batch_norm=False)),
    "gimefive-nodropout": _stack(10_478_086, _no_dropout),
    "gimefive-noblockdropout": _stack(10_478_086, partial(_build, block_dropout=False)),
    "gimefive-noheaddropout": _stack(10_478_086, partial(_build, head_dropout=False)),
    "gimefive-flatten": _stack(16_769_542, partial(_build, flattened=64)),
    "gimefive-depth4": _stack(2_606_086, partial(_build, blocks=4), blocks=4),
    "gimefive-depth6": _stack(41_950_726, partial(_build, blocks=6), blocks=6),
    "gimefive-se": _stack(10_478_598, partial(_no_dropout, se_reduction=16)),
    "gimefive-6blocks": _stack(41_950_726, partial(_no_dropout, blocks=6), blocks=6),
    "gimefive-res": Architecture(
        build=lambda classes: GiMeFiveRes(classes=classes),
        cam_layer="res_block5.relu2",
        paper_layer="res_block5.conv2",
        parameters=95_051_014,
    ),
    "baseline4": _stack(2_606_086, partial(_build, blocks=4, dropout_last_block=True), blocks=4),
}.items():
    MODELS.register(_name)(_architecture)
