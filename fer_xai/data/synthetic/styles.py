"""Five camera and identity styles of built-in faces: stand-ins for five kinds of dataset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Style:
    """Ranges of what is not the face's expression. Angles are standard deviations in radians.

    Examples
    --------
    >>> [name for name, style in STYLES.items() if style.grey]
    ['web48', 'lab']
    """

    yaw: float
    pitch: float
    roll: float
    scale: float  # half face width, share of the image's side
    side_light: float
    ambient: tuple[float, float]
    backdrop: float
    backdrop_range: float
    colourful: float
    clutter: float
    grey: bool
    resolutions: tuple[int, ...]
    blur: tuple[float, float]  # sigma, share of the side
    noise: tuple[float, float]
    exposure: float
    contrast: float
    warmth: float
    glasses: float
    asymmetry: float


STYLES: dict[str, Style] = {
    # colour portraits, even light
    "studio": Style(
        yaw=0.08,
        pitch=0.05,
        roll=0.03,
        scale=0.40,
        side_light=0.5,
        ambient=(0.50, 0.62),
        backdrop=0.72,
        backdrop_range=0.25,
        colourful=0.5,
        clutter=0.0,
        grey=False,
        resolutions=(512,),
        blur=(0.0005, 0.002),
        noise=(0.0, 0.01),
        exposure=0.04,
        contrast=0.05,
        warmth=0.0,
        glasses=0.10,
        asymmetry=0.08,
    ),
    # faces from the web: pose, light, background, like RAF-DB
    "wild": Style(
        yaw=0.20,
        pitch=0.11,
        roll=0.07,
        scale=0.44,
        side_light=1.1,
        ambient=(0.40, 0.62),
        backdrop=0.45,
        backdrop_range=0.9,
        colourful=1.0,
        clutter=1.0,
        grey=False,
        resolutions=(512, 96, 64, 48),
        blur=(0.0005, 0.008),
        noise=(0.0, 0.02),
        exposure=0.12,
        contrast=0.14,
        warmth=0.02,
        glasses=0.14,
        asymmetry=0.14,
    ),
    # 48-pixel grey crops, like FER2013
    "web48": Style(
        yaw=0.18,
        pitch=0.11,
        roll=0.08,
        scale=0.45,
        side_light=1.1,
        ambient=(0.40, 0.62),
        backdrop=0.40,
        backdrop_range=0.9,
        colourful=0.0,
        clutter=0.9,
        grey=True,
        resolutions=(48,),
        blur=(0.002, 0.010),
        noise=(0.005, 0.03),
        exposure=0.15,
        contrast=0.18,
        warmth=0.0,
        glasses=0.12,
        asymmetry=0.14,
    ),
    # posed, frontal, grey, like CK+
    "lab": Style(
        yaw=0.03,
        pitch=0.03,
        roll=0.02,
        scale=0.40,
        side_light=0.25,
        ambient=(0.55, 0.65),
        backdrop=0.55,
        backdrop_range=0.15,
        colourful=0.0,
        clutter=0.0,
        grey=True,
        resolutions=(512,),
        blur=(0.001, 0.003),
        noise=(0.005, 0.015),
        exposure=0.04,
        contrast=0.05,
        warmth=0.0,
        glasses=0.03,
        asymmetry=0.06,
    ),
    # a web camera in the evening: warm, soft, noisy
    "camera": Style(
        yaw=0.14,
        pitch=0.12,
        roll=0.06,
        scale=0.38,
        side_light=1.0,
        ambient=(0.40, 0.55),
        backdrop=0.28,
        backdrop_range=0.45,
        colourful=0.7,
        clutter=0.7,
        grey=False,
        resolutions=(64, 80),
        blur=(0.004, 0.011),
        noise=(0.015, 0.035),
        exposure=0.10,
        contrast=0.10,
        warmth=0.12,
        glasses=0.2,
        asymmetry=0.12,
    ),
}
"""Styles by name. ``wild`` is what models are trained on."""
