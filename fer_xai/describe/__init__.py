"""Where maps lie on a face, in words, each beside its chance floors."""

from fer_xai.describe.describing import describe
from fer_xai.describe.words import AreaShare, Description

__all__ = ["AreaShare", "Description", "describe"]
