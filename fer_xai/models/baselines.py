"""The baselines of GiMeFive's table, as published: a small VGG, and ResNets without max-pool."""

from collections.abc import Sequence

from torch import Tensor, nn

from fer_xai.models.architecture import Architecture
from fer_xai.models.gimefive import ResidualBlock
from fer_xai.models.registry import MODELS


class SmallVGG(nn.Module):
    """The paper's "VGG": six convolutions and three linear layers (the table says 16 layers).

    Convolutions come in pairs that share one BatchNorm. 72,460,742 parameters; the first linear
    layer fixes the input to 64×64.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):  # shapes without numbers
    ...     net = SmallVGG()
    ...     net(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 6])
    >>> sum(parameter.numel() for parameter in net.parameters())
    72460742
    """

    def __init__(self, *, classes: int = 6) -> None:
        super().__init__()
        channels = 3
        for stage, width in enumerate((64, 128, 256), start=1):
            first = 2 * stage - 1
            self.add_module(f"conv{first}", nn.Conv2d(channels, width, 3, padding=1))
            self.add_module(f"bn{stage}", nn.BatchNorm2d(width))
            self.add_module(f"conv{first + 1}", nn.Conv2d(width, width, 3, padding=1))
            self.add_module(f"relu{first}", nn.ReLU())
            self.add_module(f"relu{first + 1}", nn.ReLU())
            channels = width
        self.max_pool = nn.MaxPool2d(2)
        self.dropout1 = nn.Dropout(0.2)
        self.classifier = nn.Sequential(
            nn.Linear(channels * 8 * 8, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 1024),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(1024, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of normalised images ``(B, 3, 64, 64)``."""
        for stage in (1, 2, 3):
            norm = getattr(self, f"bn{stage}")
            first = 2 * stage - 1
            x = getattr(self, f"relu{first}")(norm(getattr(self, f"conv{first}")(x)))
            x = self.dropout1(x)
            x = getattr(self, f"relu{first + 1}")(norm(getattr(self, f"conv{first + 1}")(x)))
            x = self.max_pool(x)
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


class ResNet(nn.Module):
    """The paper's ResNets: 7×7 stem of stride 2 and no max-pool, so a 64×64 face ends at 4×4.

    ``depths`` (2, 2, 2, 2) is ResNet18 with 11,179,590 parameters, (3, 4, 6, 3) ResNet34 with
    21,287,750, both for six classes.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):  # shapes without numbers
    ...     net = ResNet((2, 2, 2, 2))
    ...     net(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 6])
    >>> sum(parameter.numel() for parameter in net.parameters())
    11179590
    """

    def __init__(self, depths: Sequence[int], *, classes: int = 6) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu1 = nn.ReLU()
        channels = 64
        for stage, depth in enumerate(depths, start=1):
            width = 64 * 2 ** (stage - 1)
            blocks = []
            for index in range(depth):
                stride = 2 if stage > 1 and index == 0 else 1
                blocks.append(ResidualBlock(channels, width, stride=stride, bias=False))
                channels = width
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of normalised images ``(B, 3, H, W)``."""
        x = self.relu1(self.bn1(self.conv1(x)))
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


MODELS.register("vgg")(
    Architecture(
        build=lambda classes: SmallVGG(classes=classes),
        cam_layer="relu6",
        paper_layer="conv6",
        parameters=72_460_742,
    )
)
MODELS.register("resnet18")(
    Architecture(
        build=lambda classes: ResNet((2, 2, 2, 2), classes=classes),
        cam_layer="layer4.1.relu2",
        paper_layer="layer4.1.conv2",
        parameters=11_179_590,
    )
)
MODELS.register("resnet34")(
    Architecture(
        build=lambda classes: ResNet((3, 4, 6, 3), classes=classes),
        cam_layer="layer4.2.relu2",
        paper_layer="layer4.2.conv2",
        parameters=21_287_750,
    )
)
