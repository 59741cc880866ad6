"""Which data sets weights were trained on, and whether test faces are of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fer_xai.data import DATASETS
from fer_xai.data.cards import card_of
from fer_xai.data.shared_images import plain, share_images
from fer_xai.errors import InputError
from fer_xai.files import read_json
from fer_xai.models.checkpoints import file_digest
from fer_xai.models.loading import shipped_weights
from studies.engine.specs import SYNTHETIC, DataSpec
from training.begun_with import begun_elsewhere
from training.export import CARD
from training.faces import data_name

IN, PART, OUT, UNKNOWN = "in-domain", "in part", "out-of-domain", "unknown"
"""Test faces of the one data set trained on; of one of several, or of a set that shares images with
them; of none; or it is not known whether they are."""
SEEN = "seen in training"
"""Faces that are themselves among those trained on."""
OF_ONES_OWN = ("folder", "csv", "huggingface")
"""Data sets that anyone's images may be: one name tells nothing of what they hold."""
WILD = "wild"
"""Style of built-in faces that is meant where none is named."""


def domain(name: str) -> str:
    """Name of a data set by which weights and test faces are compared, however it is spelled.

    Styles of built-in faces, folders, lists and editions of the aggregate are data sets of their
    own.

    Examples
    --------
    >>> domain("RAF-DB"), domain("synthetic"), domain("synthetic:lab"), domain("aggregate")
    ('rafdb', 'synthetic:wild', 'synthetic:lab', 'aggregate')
    >>> domain("csv:faces.csv#label=emotion")
    'csv:faces.csv'
    """
    kind, _, rest = name.partition(":")
    if kind == SYNTHETIC:
        return f"{kind}:{rest or WILD}"
    if rest and kind in (*OF_ONES_OWN, "aggregate"):
        return name.partition("#")[0]
    return plain(name)


def domain_of(spec: DataSpec) -> str:
    """Name of a data set that is read, for comparisons: its source where one is chosen.

    Examples
    --------
    >>> domain_of(DataSpec.parse("gimefive:/data/bench@RAF-DB"))
    'rafdb'
    """
    return domain(spec.source or data_name(spec.location))


def relation(trained: frozenset[str] | None, tested: str) -> str:
    """How test faces stand to the data sets that weights were trained on, as names tell.

    Parameters
    ----------
    trained
        Data sets trained on (:func:`domain`); None where they are not known.
    tested
        Data set of the test faces.

    Examples
    --------
    >>> relation(frozenset({"rafdb"}), "rafdb"), relation(frozenset({"rafdb"}), "fer2013")
    ('in-domain', 'out-of-domain')
    >>> relation(frozenset({"gimefive"}), "rafdb"), relation(None, "rafdb")
    ('in part', 'unknown')
    >>> relation(frozenset({"folder:faces"}), "folder:faces")  # any folder may be called so
    'unknown'
    """
    if trained is None or (tested in trained and of_ones_own(tested)):
        return UNKNOWN
    if trained == {tested}:
        return IN
    return PART if any(_overlap(one, tested) for one in trained) else OUT


def _overlap(one: str, two: str) -> bool:
    """Whether two data sets have images in common, as far as their names tell."""
    if any(name.startswith(SYNTHETIC) or of_ones_own(name) for name in (one, two)):
        return one == two
    return share_images(one, two)


def of_ones_own(name: str) -> bool:
    """Whether a data set may hold anyone's images, so that its name does not tell which.

    Examples
    --------
    >>> of_ones_own("folder:faces"), of_ones_own("rafdb")
    (True, False)
    """
    return name.partition(":")[0] in OF_ONES_OWN


def without_own_splits(spec: DataSpec) -> bool:
    """Whether a data set has no published split, so that test faces are whoever was chosen.

    Examples
    --------
    >>> without_own_splits(DataSpec("jaffe", "/data/jaffe")), without_own_splits(DataSpec("rafdb"))
    (True, False)
    """
    card = card_of(spec.dataset) if spec.dataset in DATASETS else None
    return card is not None and not card.splits


def different(specs: Sequence[DataSpec], texts: Sequence[str]) -> None:
    """Refuse one data set under two names.

    Raises
    ------
    InputError
        Naming both.

    Examples
    --------
    >>> texts = ["synthetic", "synthetic:wild"]
    >>> different([DataSpec.parse(text) for text in texts], texts)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected different data sets, got synthetic and synthetic:wild, ...
    """
    found: dict[str, str] = {}
    for place, (spec, text) in enumerate(zip(specs, texts, strict=True)):
        edition = spec.dataset == "aggregate"  # its editions share images, and are compared
        name = domain(data_name(spec.location)) if edition else domain_of(spec)
        before = found.setdefault(name, text)
        if len(found) <= place:
            raise InputError(
                f"Expected different data sets, got {before} and {text}, which are both {name}: "
                "leave one of them out, or take it in a run of its own."
            )


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is known of the training behind weights.

    Attributes
    ----------
    domains
        Data sets trained on (:func:`domain`); None where they are not known.
    begun
        Whether the training began with weights whose training faces are not known: what is not
        in-domain may have been seen, too.
    split_sha256
        Digest of the faces of the training split; empty where it is not known.

    Examples
    --------
    >>> Training(domains=frozenset({"rafdb"}), begun=True).relation("fer2013")
    'unknown'
    """

    domains: frozenset[str] | None = None
    begun: bool = False
    split_sha256: str = ""

    def relation(self, tested: str) -> str:
        """How test faces stand to these weights: see :func:`relation`."""
        found = relation(self.domains, tested)
        return UNKNOWN if self.begun and found == OUT else found


def training_of(name: str, weights: str, *, records: Path) -> Training:
    """What is known of the training of weights: from their name or the card beside them.

    Parameters
    ----------
    name
        Name of the architecture.
    weights
        Name of shipped weights, or a path.
    records
        Folder of records of trainings, where the card of shipped weights is looked for by their
        digest.

    Examples
    --------
    >>> training_of("gimefive", "fer2013", records=Path("no/such")).domains
    frozenset({'fer2013'})
    >>> training_of("gimefive", "no/such/weights.safetensors", records=Path("no/such")).domains
    """
    if f"{name}-{weights}" in shipped_weights():
        file = files("fer_xai") / "weights" / f"{name}-{weights}.safetensors"
        told = of_card(_record_of(file_digest(Path(str(file))), records))
        return Training(domains=frozenset({domain(weights)}), split_sha256=told.split_sha256)
    card = Path(weights).with_name(CARD)
    return of_card(
        read_json(card, remedy="restore it beside its weights") if card.is_file() else {}
    )


def _record_of(weights_sha256: str, records: Path) -> Mapping[str, Any]:
    """The card of a record of these very weights; empty where there is none."""
    for path in sorted(records.glob(f"*/{CARD}")):
        card = read_json(path, remedy=f"delete {path.parent}")
        if card.get("weights_sha256") == weights_sha256:
            return card
    return {}


def of_card(card: Mapping[str, Any]) -> Training:
    """What a training's card says of it.

    Examples
    --------
    >>> of_card({"run": {"data": "gimefive", "source": "rafdb"}}).domains
    frozenset({'rafdb'})
    >>> sorted(of_card({"run": {"data": "pooled", "pool": ["rafdb", "fer2013"]}}).domains)
    ['fer2013', 'rafdb']
    """
    run = card.get("run")
    if not isinstance(run, dict) or not run.get("data"):
        return Training()
    names: Sequence[str] = run.get("pool") or [run.get("source") or run["data"]]
    whole = card.get("training_split_sha256")
    if whole is None and not card.get("valid_faces"):
        whole = card.get("train_faces_sha256")
    return Training(
        domains=frozenset(domain(str(name)) for name in names),
        begun=begun_elsewhere(run),
        split_sha256=str(whole or ""),
    )


def check_unseen(model: str, training: Training, spec: DataSpec, split: str) -> str:
    """Refuse faces that weights were trained on; a caveat where they may have been.

    Parameters
    ----------
    model
        Its name, for the sentence.
    training
        What is known of its training.
    spec, split
        The faces.

    Returns
    -------
    str
        A sentence for the report; "" where names tell that the faces are others.

    Raises
    ------
    InputError
        If they are of a split that is trained on, of a data set that the weights were trained on.

    Examples
    --------
    >>> known = Training(domains=frozenset({"rafdb"}))
    >>> check_unseen("gimefive", known, DataSpec("rafdb"), "test")
    ''
    >>> check_unseen("gimefive", known, DataSpec("rafdb"), "train")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected faces that gimefive was not trained on, got the split ...
    """
    name = domain_of(spec)
    if training.domains is None:
        return f"The faces that {model} was trained on are not known: some may be among these."
    if training.relation(name) == OUT:
        return ""
    if split != "test" and not of_ones_own(name):
        raise InputError(
            f"Expected faces that {model} was not trained on, got the split {split} of {name}, "
            "which it was trained on, as its name or card says: take --split test, or other data."
        )
    if name.startswith(SYNTHETIC) or not (of_ones_own(name) or without_own_splits(spec)):
        return ""
    return (
        f"{model} was trained on {name}, which has no splits of its own: these faces may be among "
        "those that it was trained on."
    )
