"""Which data sets weights were trained on, and whether test faces are of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fer_xai.data.shared_images import plain, share_images
from fer_xai.files import read_json
from fer_xai.models.checkpoints import file_digest
from fer_xai.models.loading import shipped_weights
from studies.engine.specs import SYNTHETIC, DataSpec
from training.begun_with import begun_elsewhere
from training.export import CARD
from training.faces import data_name

IN, PART, OUT, UNKNOWN = "in-domain", "in part", "out-of-domain", "unknown"
"""Test faces of the one data set trained on; of one of several, or of a set that shares images with
them; of none; or the training faces are not known."""
WILD = "wild"
"""Style of built-in faces that is meant where none is named."""


def domain(name: str) -> str:
    """Name of a data set by which weights and test faces are compared, however it is spelled.

    Styles of built-in faces, folders and editions of the aggregate are data sets of their own.

    Examples
    --------
    >>> domain("RAF-DB"), domain("synthetic"), domain("synthetic:lab"), domain("aggregate")
    ('rafdb', 'synthetic:wild', 'synthetic:lab', 'aggregate')
    """
    kind, _, rest = name.partition(":")
    if kind == SYNTHETIC:
        return f"{kind}:{rest or WILD}"
    return name if rest and kind in ("folder", "aggregate") else plain(name)


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
    """
    if trained is None:
        return UNKNOWN
    if trained == {tested}:
        return IN
    return PART if any(_overlap(one, tested) for one in trained) else OUT


def _overlap(one: str, two: str) -> bool:
    """Whether two data sets have images in common, as far as their names tell."""
    alone = (SYNTHETIC, "folder")
    if any(name.partition(":")[0] in alone for name in (one, two)):
        return one == two
    return share_images(one, two)


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
