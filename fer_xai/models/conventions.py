"""Conventions of published models: how each wants to be fed and read, and where people go wrong.

Read in the models' own files, at the address that stands beside each. What could not be read there,
or is contested, is said in the entry's trap: :func:`fer_xai.preflight` finds out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fer_xai.checks import listed, quoted
from fer_xai.emotions import NATIVE_ORDERS, SHORT, parse_outputs
from fer_xai.errors import InputError, UnknownNameError, did_you_mean

ARGUMENTS = (
    *("emotions", "size", "channels", "colour_order", "greyscale", "normalisation", "mean", "std"),
    *("outputs", "ends_in", "crop", "resize"),
)
"""Arguments of :class:`fer_xai.models.FERModel` that a convention may say."""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How a published model is fed and read.

    Attributes
    ----------
    arguments
        Arguments of :class:`fer_xai.models.FERModel`; those that are left out are its defaults.
    source
        Address where this was read.
    trap
        What goes wrong with this model, and what of the entry is uncertain.

    Examples
    --------
    >>> known = CONVENTIONS["ma-net"]
    >>> known.arguments["outputs"], known.arguments["size"]
    ({'0': 0.6, '1': 0.4}, 224)
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    trap: str = ""


def _order(codes: str) -> tuple[str, ...]:
    names = {short: name for name, short in SHORT.items()} | {"-": "-"}
    return tuple(names[code] for code in codes.split())


def _known(source: str, trap: str, **arguments: Any) -> Convention:
    return Convention(arguments=MappingProxyType(arguments), source=source, trap=trap)


_RAFDB = NATIVE_ORDERS["rafdb"]
_FER2013 = NATIVE_ORDERS["fer2013"]
_AFFECTNET8 = NATIVE_ORDERS["affectnet"]
_AFFECTNET7 = _AFFECTNET8[:7]
_ALPHABET7 = _order("An Di Fe Ha Ne Sa Su")
_ALPHABET8 = _order("An Co Di Fe Ha Ne Sa Su")
_DAN = "https://github.com/yaoing/DAN"
_DDAMFN = "https://github.com/SainingZhang/DDAMFN"
_POSTER = "https://github.com/Talented-Q/POSTER_V2"
_EMOTIEFF = "https://github.com/sb-ai-lab/EmotiEffLib"
_PICKLED = (
    "The files are whole pickled timm modules: save the state dict first. Emotions are in the "
    "alphabet's order."
)

CONVENTIONS: dict[str, Convention] = {
    "poster++": _known(
        _POSTER,
        "The order is RAF-DB's codes by inference, not read in the repository. The constructor "
        "loads a backbone from a Windows path, and the checkpoint holds a recorder object and a "
        "tensor best_acc beside state_dict, whose keys begin with module. The first POSTER was "
        "trained on BGR images.",
        emotions=_RAFDB,
        size=224,
    ),
    "poster": _known(
        "https://github.com/zczcwh/POSTER",
        "Trained on BGR images, unlike POSTER++. The order is RAF-DB's codes by inference, not "
        "read in the repository.",
        emotions=_RAFDB,
        size=224,
        colour_order="bgr",
    ),
    "dan-rafdb": _known(
        _DAN,
        "The order differs by checkpoint: this one is for those trained on RAF-DB. The answer is "
        "(logits, features, heads).",
        emotions=_RAFDB,
        size=224,
        outputs="0",
    ),
    "dan-affectnet7": _known(
        _DAN,
        "The order differs by checkpoint: this one is for those trained on AffectNet-7. The answer "
        "is (logits, features, heads).",
        emotions=_AFFECTNET7,
        size=224,
        outputs="0",
    ),
    "dan-affectnet8": _known(
        _DAN,
        "The order differs by checkpoint: this one is for those trained on AffectNet-8. The answer "
        "is (logits, features, heads).",
        emotions=_AFFECTNET8,
        size=224,
        outputs="0",
    ),
    "ddamfn++": _known(
        _DDAMFN,
        "The order is AffectNet's for RAF-DB too. The answer is a triple, and the state lies under "
        "model_state_dict.",
        emotions=_AFFECTNET7,
        size=112,
        outputs="0",
    ),
    "ddamfn++-affectnet8": _known(
        _DDAMFN,
        "The answer is a triple, and the state lies under model_state_dict.",
        emotions=_AFFECTNET8,
        size=112,
        outputs="0",
    ),
    "ma-net": _known(
        "https://github.com/zengqunzhao/MA-Net",
        "The answer is two tensors of logits, weighed .6 and .4. There is no normalisation. A "
        "tensor best_acc lies beside state_dict, whose keys begin with module.",
        emotions=_AFFECTNET7,
        size=224,
        normalisation="none",
        outputs={"0": 0.6, "1": 0.4},
    ),
    "emonet": _known(
        "https://github.com/face-analysis/emonet",
        "The answer is a dict. eval() of the network returns None, and its authors load it with "
        "strict=False, which hides missing weights.",
        emotions=_AFFECTNET8,
        size=256,
        normalisation="none",
        outputs="expression",
    ),
    "openface3": _known(
        "https://github.com/CMU-MultiComp-Lab/OpenFace-3.0",
        "Disgust and anger are doubtful: the README's order is this one, and a measurement in its "
        "issue 15 disagrees. Normalisation is assumed to be ImageNet's. The answer is (emotions, "
        "gaze, action units).",
        emotions=_AFFECTNET8,
        size=224,
        outputs="0",
    ),
    "libreface": _known(
        "https://github.com/ihp-lab/LibreFace",
        "The network ends in a sigmoid, not a softmax. The answer is a pair, and the state lies "
        "under model.",
        emotions=_AFFECTNET8,
        size=224,
        outputs="0",
        ends_in="sigmoid",
    ),
    "emotieff/enet_b0_7": _known(_EMOTIEFF, _PICKLED, emotions=_ALPHABET7, size=224),
    "emotieff/enet_b0_8": _known(_EMOTIEFF, _PICKLED, emotions=_ALPHABET8, size=224),
    "emotieff/enet_b2_7": _known(_EMOTIEFF, _PICKLED, emotions=_ALPHABET7, size=260),
    "emotieff/enet_b2_8": _known(_EMOTIEFF, _PICKLED, emotions=_ALPHABET8, size=260),
    "emotieff/enet_b0_8_va_mtl": _known(
        _EMOTIEFF,
        _PICKLED + " Two more outputs, valence and arousal, follow the emotions.",
        emotions=(*_ALPHABET8, "-", "-"),
        size=224,
    ),
    "emotieff/mbf_va_mtl": _known(
        _EMOTIEFF,
        _PICKLED + " Two more outputs, valence and arousal, follow the emotions.",
        emotions=(*_ALPHABET8, "-", "-"),
        size=112,
        normalisation="half",
    ),
    "rmn": _known(
        "https://github.com/phamquiluan/ResidualMaskingNetwork",
        "Importing the package downloads weights. The state lies under net. Faces are fed in grey, "
        "without a normalisation.",
        emotions=_FER2013,
        size=224,
        greyscale=True,
        normalisation="none",
    ),
    "resemotenet": _known(
        "https://github.com/ArnabKumarRoy02/ResEmoteNet",
        "The order is that of its scripts, and checkpoints differ (its threads 11 and 50); the "
        "published accuracy is contested. Its own script feeds the grey of BGR images.",
        emotions=_order("Ha Su Sa An Di Fe Ne"),
        size=64,
        greyscale=True,
    ),
    "trpakov/vit-face-expression": _known(
        "hf:trpakov/vit-face-expression",
        "The order here is from memory: hf:FOLDER reads it from the configuration. Its card says "
        "ImageNet's normalisation, its preprocessor .5 and .5. The answer has .logits.",
        emotions=_ALPHABET7,
        size=224,
        normalisation="half",
        outputs="logits",
    ),
    "deepface": _known(
        "https://github.com/serengil/deepface",
        "A Keras network with its softmax inside. The range [0, 1] is inferred; grey is made of "
        "BGR images, which gives the same luma.",
        emotions=_FER2013,
        size=48,
        channels=1,
        normalisation="none",
        ends_in="softmax",
    ),
    "fer": _known(
        "https://github.com/JustinShenk/fer",
        "A Keras mini-Xception with its softmax inside, fed 2x − 1.",
        emotions=_FER2013,
        size=64,
        channels=1,
        normalisation="half",
        ends_in="softmax",
    ),
    "face-api": _known(
        "https://github.com/vladmandic/face-api",
        "Means of 122.8, 117.0 and 104.3 are subtracted before the division by 255; there is no "
        "deviation. The softmax stands outside the network.",
        emotions=_order("Ne Ha Sa An Fe Di Su"),
        size=112,
        mean=(122.782 / 255, 117.001 / 255, 104.298 / 255),
        std=(1.0, 1.0, 1.0),
    ),
}
"""Published models by name."""


def convention(name: str | Path) -> Convention:
    r"""A convention by name, or from a TOML file of the user's own.

    The file says arguments of :class:`fer_xai.models.FERModel` by name (``emotions``, ``size``,
    ``colour_order`` …), and ``source`` and ``trap`` if wanted.

    Parameters
    ----------
    name
        A name of :data:`CONVENTIONS` in any case, or the path of a ``.toml`` file.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown name, and a file that cannot be read or says something else.

    Examples
    --------
    >>> convention("MA-Net").arguments["normalisation"]
    'none'
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.toml"
    ...     _ = path.write_text('emotions = ["anger", "fear"]\nsize = 96\ncolour_order = "bgr"')
    ...     dict(convention(path).arguments)
    {'emotions': ('anger', 'fear'), 'size': 96, 'colour_order': 'bgr'}
    """
    text = str(name)
    if text.lower() in CONVENTIONS:
        return CONVENTIONS[text.lower()]
    if isinstance(name, Path) or text.endswith(".toml"):
        return _from_file(Path(text).expanduser())
    close = did_you_mean(text.lower(), CONVENTIONS)
    raise UnknownNameError(
        f"Expected a convention ({', '.join(CONVENTIONS)}) or the path of a .toml file, got "
        f"{quoted(text)}{f': {close}' if close else '.'}"
    )


def _from_file(path: Path) -> Convention:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"Expected a convention in {path}, but it cannot be read ({said}): write "
            'emotions = ["anger", …], size = 224 and what else the model needs.'
        ) from None
    unknown = told.keys() - {*ARGUMENTS, "source", "trap"}
    if unknown:
        raise InputError(
            f"Expected {', '.join(ARGUMENTS)}, source or trap in {path}, got "
            f"{listed(sorted(unknown))}."
        )
    arguments = {key: told[key] for key in told if key in ARGUMENTS}
    if "emotions" in arguments:
        arguments["emotions"] = parse_outputs(arguments["emotions"])
    return Convention(
        arguments=arguments, source=str(told.get("source", path)), trap=str(told.get("trap", ""))
    )
