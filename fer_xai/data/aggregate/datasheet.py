"""The datasheet of an aggregate (Gebru et al., "Datasheets for datasets", CACM 2021)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from fer_xai.data.aggregate.published import beside_published
from fer_xai.emotions import SIX

TERMS = {
    "rafdb": "RAF-DB (Li et al., CVPR 2017): non-commercial research, by request to its authors.",
    "fer2013": "FER2013 (Goodfellow et al., 2013): images found by a search engine, of various "
    "owners; see the terms of the place where you got it.",
    "affectnet": "AffectNet (Mollahosseini et al., 2017): research, by request to its authors.",
    "ckplus": "CK+ (Lucey et al., CVPRW 2010): research, by agreement; publish only images of "
    "subjects who have consented.",
    "tfeid": "TFEID (Chen & Yen, 2007): research, by request to its authors.",
    "gimefive": "The published copy holds images of RAF-DB, FER2013, AffectNet, CK+ and TFEID: the "
    "terms of each apply.",
}
"""Terms of each source."""

DISTRIBUTION = {
    "list": "No image is part of this aggregate: the lists name files of your own copies.",
    "link": "The folder `images` holds links to files of your own copies (faces that are rows of a "
    "table or boxes in photographs as files), for your own disk.",
    "copy": "The folder `images` holds copies of your own files, for your own disk. The terms of "
    "each source apply to them.",
}
"""What the aggregate holds of images, by the command's option ``images``."""


def datasheet(published: pd.DataFrame, clean: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    """The datasheet as Markdown.

    Parameters
    ----------
    published, clean
        The two lists.
    manifest
        The manifest: sets, rules and digests.

    Examples
    --------
    >>> row = {"id": "a", "set": "rafdb", "emotion": "fear", "split": "test", "source": "rafdb",
    ...        "status": "kept", "reason": "", "original_label": "fear", "subject": ""}
    >>> rules = {"conflicts": "remove", "valid_fraction": 0.1, "seed": 0,
    ...          "near_copies": {"correlation": 0.95, "detail": 0.8}}
    >>> manifest = {"sets": {"rafdb": {}}, "rules": rules, "sha256": {}, "faces": "", "commit": ""}
    >>> datasheet(pd.DataFrame([row]), pd.DataFrame([row]), manifest).splitlines()[0]
    '# Datasheet: FER GiMeFive, put together anew'
    """
    rules = manifest["rules"]
    kept = clean[clean["status"] != "removed"]
    near, known = rules["near_copies"], int((kept["subject"] != "").sum())
    settled = "removed" if rules["conflicts"] == "remove" else "re-labelled"
    sections = [
        "# Datasheet: FER GiMeFive, put together anew",
        "## Motivation",
        "Facial emotions of six classes, from several sources, with the provenance of each image. "
        "The edition *as published* keeps labels and splits, with their defects, so that numbers "
        "compare with published ones. The edition *clean* is for new numbers.",
        "## Composition",
        _markdown(beside_published(published)),
        "Faces of the edition as published beside the published counts. What is missing here was "
        "not among the sources that were given.",
        _markdown(_by_emotion(published)),
        "As published, by split and emotion.",
        _markdown(_by_emotion(kept)),
        "Clean, by split and emotion.",
        f"Persons are known for {known:,} of {len(kept):,} clean faces.",
        "## Preprocessing and cleaning",
        "Images are not changed. What was done to faces of the clean edition:",
        _markdown(_changes(clean)),
        f"1. Near-copies: at 64×64 in grey, pixels correlate by {near['correlation']:g} or more "
        f"and detail by {near['detail']:g} or more, as they are or mirrored; not two recordings "
        "of one person.\n"
        "2. Conflicts: whoever is a copy of a copy belongs to one group. In a group with several "
        "labels, the label of more than half of its faces stands and faces with another one are "
        f"{settled}; without such a majority the group is removed. Frames of one recorded person "
        "do not conflict with one another.\n"
        "3. Repeats: of images with identical pixels one is kept, a training face before a test "
        "face and both before a validation face.\n"
        "4. Sides: copies, faces of one person and of one sequence stay together; what has a part "
        "among the training faces is moved there as a whole. Weights that were trained on the "
        "published training faces have seen no clean test face. Elsewhere, validation faces whose "
        "copy, person or sequence is among the test faces are removed.\n"
        f"5. Validation: {100 * rules['valid_fraction']:g} % of each emotion of the training side, "
        f"drawn with seed {rules['seed']} by such units; the other published validation faces join "
        "the training side first.",
        "## Collection and distribution",
        "\n".join(f"- {TERMS[name]}" for name in manifest["sets"]),
        DISTRIBUTION[manifest.get("images", "list")] + " Do not publish images.",
        "## Uses",
        "Research on recognising posed and spontaneous expressions, and on explanations. A label "
        "is what annotators saw, not what a person felt; the sources differ in who is shown. Not "
        "for decisions about people.",
        "## Maintenance",
        "The same command on the same sources gives the same lists:",
        "\n".join(f"- `{name}`: SHA-256 {told}" for name, told in manifest["sha256"].items())
        + f"\n- faces: SHA-256 {manifest['faces']}\n- commit: {manifest['commit']}",
    ]
    return "\n\n".join(sections) + "\n"


def _by_emotion(edition: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for split in ("train", "valid", "test"):
        own = edition[edition["split"] == split]["emotion"].value_counts()
        rows.append([split, *(int(own.get(name, 0)) for name in SIX), int(own.sum())])
    return pd.DataFrame(rows, columns=["split", *SIX, "all"])


def _changes(clean: pd.DataFrame) -> pd.DataFrame:
    """Faces by status and kind of reason, numbers and names left out of the reasons."""
    kinds = clean["reason"].str.replace(r"identical to .*", "identical to another", regex=True)
    kinds = kinds.str.replace(
        r"\d+ of \d+ copies are labelled \w+", "most copies say otherwise", regex=True
    )
    kinds = kinds.str.replace(
        r"\d+ copies have conflicting labels, none of most",
        "copies have conflicting labels, none of most",
        regex=True,
    )
    counts = Counter(zip(clean["status"].tolist(), kinds.tolist(), strict=True))
    rows = [(status, kind or "–", count) for (status, kind), count in sorted(counts.items())]
    return pd.DataFrame(rows, columns=["status", "reason", "faces"])


def _markdown(table: pd.DataFrame) -> str:
    return str(table.to_markdown(index=False))
