"""The card that travels with a model's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fer_xai.names import markdown_text
from training.recipes import Recipe

LICENCES = {
    "rafdb": "RAF-DB may be used for non-commercial research only (Li & Deng, CVPR 2017), and so "
    "may these weights, which were made of it.",
    "fer2013": "FER2013's images were collected by web search (Goodfellow et al. 2013) and their "
    "rights are unsettled: use these weights for research.",
    "gimefive": "The FER GiMeFive benchmark holds FER2013, AffectNet, RAF-DB, CK+ and TFEID, of "
    "which several may be used for non-commercial research only, and so may these weights.",
}
"""What a dataset's licence means for weights made of it."""

WORST = 4
"""Confusions that a card names."""


def model_card(card: Mapping[str, Any]) -> str:
    """Markdown card: data, licence, protocol, scores by emotion, known failures, recipe."""
    run = card["run"]
    source = run["source"] or run["data"]
    title = markdown_text(f"{card['model']} on {source}")
    lines = [f"# {title}", "", _protocol(card), ""]
    if "fold" in run:
        lines += [
            f"The test faces are fold {run['fold']} of {run['folds']} (from 0) of the training "
            "faces, which these weights were not trained on.",
            "",
        ]
    if run.get("align"):
        lines += [_aligned(card), ""]
    licence = LICENCES.get(source) or LICENCES.get(run["data"])
    if licence:
        lines += [f"**Licence.** {licence}", ""]
    for part, title in (("validation", "Validation"), ("test", "Test")):
        if part in card:
            lines += [*_scores(title, card[part]), ""]
    if "test_flip_averaged" in card:
        flip = card["test_flip_averaged"]
        lines += [
            f"Averaged over each face and its mirror image: accuracy {flip['accuracy']:.1%}, "
            f"macro recall {flip['macro_recall']:.1%}, macro F1 {flip['macro_f1']:.3f}, "
            f"calibration error {flip['calibration_error']:.3f}.",
            "",
        ]
    if card.get("copies_of_training_faces", {}).get("test_faces"):
        copies = card["copies_of_training_faces"]
        lines += [
            f"{copies['test_faces']} test faces have the very pixels of a training face; accuracy "
            f"without them {_percent(copies['accuracy_without']) or 'undefined'}.",
            "",
        ]
    if "halving" in card:
        halving = card["halving"]
        lines += [
            f"Halving the weights' precision changed {halving['predictions_changed']} predictions; "
            f"accuracy {halving['accuracy_before']:.2%} before, {halving['accuracy_after']:.2%} "
            "after.",
            "",
        ]
    figures = card.get("test") or card.get("validation")
    if figures:
        lines += ["## Known failures", "", *_failures(figures), ""]
    lines += ["## Recipe", "", *recipe_lines(run["recipe"]), ""]
    return "\n".join(lines)


def fold_card(card: Mapping[str, Any]) -> str:
    """Markdown card of predictions out of fold: accuracy, by fold, and what it is not.

    No interval is given: the networks share most of their training faces, and there is no unbiased
    estimator of the variance of k-fold cross-validation (Bengio & Grandvalet, JMLR 2004).

    Examples
    --------
    >>> scores = {"accuracy": 0.8, "macro_recall": 0.7, "faces": 10}
    >>> fold = {"fold": 0, "faces": 5, "accuracy": 0.8, "macro_recall": 0.7, "trained_on": 4,
    ...         "validated_on": 1, "minutes": 1.0}
    >>> run = {"model": "net", "data": "rafdb", "source": None, "folds": 2, "seed": 0,
    ...        "recipe": vars(Recipe())}
    >>> text = fold_card({"run": run, "out_of_fold": scores, "faces": 10, "date": "", "commit": "",
    ...                   "out_of_fold_flip_averaged": scores, "by_fold": [fold, fold]})
    >>> print(text[:39])
    # net on rafdb: predictions out of fold
    """
    run, scores, flipped = card["run"], card["out_of_fold"], card["out_of_fold_flip_averaged"]
    folds, source = run["folds"], run["source"] or run["data"]
    title = markdown_text(f"{run['model']} on {source}: predictions out of fold")
    lines = [
        f"# {title}",
        "",
        f"Accuracy {scores['accuracy']:.1%} of {card['faces']:,} training faces, macro recall "
        f"{scores['macro_recall']:.1%}; averaged over each face and its mirror image "
        f"{flipped['accuracy']:.1%} and {flipped['macro_recall']:.1%}. Each face was predicted by "
        f"the one of {folds} networks that was not trained on its fold. Folds are stratified by "
        "emotion, and persons and copies stay whole.",
        "",
        "These are neither the shipped weights nor those of a training on all training faces: each "
        f"network saw at most {folds - 1} of {folds} folds. No interval is given, since the "
        "networks share most of what they were trained on.",
        "",
        "| fold | held out | accuracy | macro recall | trained on | validated on | minutes |",
        "|---|---|---|---|---|---|---|",
        *[
            f"| {one['fold']} | {one['faces']:,} | {one['accuracy']:.1%} | "
            f"{one['macro_recall']:.1%} | {one['trained_on']:,} | {one['validated_on']:,} | "
            f"{one['minutes']:.1f} |"
            for one in card["by_fold"]
        ],
        "",
        f"Seed {run['seed']}, {card['date']}, commit {card['commit']}.",
        "",
        "## Recipe",
        "",
        *recipe_lines(run["recipe"]),
        "",
    ]
    return "\n".join(lines)


def recipe_lines(recipe: Mapping[str, Any]) -> list[str]:
    """The settings of a recipe, a line each; a momentum that the schedule cycles is told so.

    Examples
    --------
    >>> lines = recipe_lines(vars(Recipe(optimizer="sgd")))
    >>> print(lines[4])
    - momentum: 0.9 (momentum of SGD, cycled by the schedule between 0.85 and 0.95)
    """
    momentum = "β₁ of AdamW" if recipe["optimizer"] == "adamw" else "momentum of SGD"
    low, high = Recipe(**recipe).cycled_momentum()
    cycled = f", cycled by the schedule between {low:g} and {high:g}" if low < high else ""
    notes = {"momentum": f" ({momentum}{cycled})"}
    return [f"- {key}: {value}{notes.get(key, '')}" for key, value in recipe.items()]


SEEN = {
    "once": "The test faces were scored by these weights alone.",
    "every-epoch": "The test faces were also scored after every epoch, to count as the GiMeFive "
    "paper does; nothing was chosen by it.",
    "never": "No test faces were scored.",
}


def _protocol(card: Mapping[str, Any]) -> str:
    run = card["run"]
    colour = "greyscale" if card["greyscale"] else "colour"
    begun = f", begun with weights {run['pretrained'][:8]}…" if run["pretrained"] else ""
    kept = (
        f"The epoch with the best accuracy on {card['valid_faces']:,} held-out training faces was "
        f"kept, number {card['kept_epoch']} of {card['epochs']}."
        if card["valid_faces"]
        else f"All training faces were trained on and the last of {card['epochs']} epochs was kept."
    )
    if card["valid_faces"] and "copies_of_test_faces" in card:
        copies = card["copies_of_test_faces"]
        if copies is None:
            kept += " No test faces were at hand to keep copies of them out of validation."
        elif copies:
            kept += (
                f" {copies:,} training faces that are copies or near-copies of test faces were "
                "kept out of validation."
            )
    machine = card["machine"]
    return (
        f"Trained on {card['train_faces']:,} faces of {card['size']}×{card['size']} pixels in "
        f"{colour}{begun}, seed {run['seed']}, {card['date']}, commit {card['commit']}, torch "
        f"{card['versions']['torch']}, {card['minutes']:.0f} minutes on {machine['processor']} "
        f"({machine['device']}). {kept} {SEEN[card['test_seen']]} Weights are half "
        f"precision{_beside(card.get('kept_in_single_precision', []))}."
    )


def _aligned(card: Mapping[str, Any]) -> str:
    """What maps were aligned with, on how many faces."""
    align = card["run"]["align"]
    measured = (
        f" On {align['valid_aligned']:,} of {card['valid_faces']:,} validation faces it was "
        "measured after each epoch."
        if "valid_aligned" in align
        else ""
    )
    trained = (
        f"Trained with {align['weight']:g} times an alignment loss ({align['loss']})"
        if align["weight"]
        else f"Trained without an alignment loss, but its score ({align['loss']}) was measured"
    )
    others = "; the others had the cross-entropy alone" if align["weight"] else ""
    warning = (
        " Maps of these weights were trained to look right in this edition: judge them in others, "
        "and by what does not depend on action units."
        if align["weight"]
        else ""
    )
    return (
        f"**Alignment.** {trained}: signed Grad-CAM of the true emotion at {align['layer']}, "
        f"{align['cells'][0]}×{align['cells'][1]} cells, against the areas of its action units "
        f"(edition {align['edition']}, codebook {align['codebook']}, landmarks "
        f"{markdown_text(align['landmarks'])}). {align['train_aligned']:,} of "
        f"{card['train_faces']:,} training faces have landmarks{others}.{measured}{warning}"
    )


def _beside(names: Sequence[str]) -> str:
    """Which tensors are not halved."""
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f", but for what it cannot hold ({', '.join(names[:3])}{more})"


def _scores(title: str, figures: Mapping[str, Any]) -> list[str]:
    confusion: Sequence[Sequence[int]] = figures["confusion"]
    emotions: Sequence[str] = figures["emotions"]
    return [
        f"## {title}: {figures['accuracy']:.1%} of {figures['faces']:,} faces",
        "",
        f"Macro recall {figures['macro_recall']:.1%}, macro F1 {figures['macro_f1']:.3f}, expected "
        f"calibration error {figures['calibration_error']:.3f}.",
        "",
        f"| true ↓ predicted → | {' | '.join(emotions)} | recall |",
        f"|---|{'---|' * (len(emotions) + 1)}",
        *[
            f"| {name} | {' | '.join(map(str, row))} | {_percent(figures['recall'].get(name))} |"
            for name, row in zip(emotions, confusion, strict=True)
        ],
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _failures(figures: Mapping[str, Any]) -> list[str]:
    """The confusions that take the largest share of an emotion's faces."""
    emotions = figures["emotions"]
    shares = [
        (count / sum(row), true, guess)
        for true, row in zip(emotions, figures["confusion"], strict=True)
        for guess, count in zip(emotions, row, strict=True)
        if guess != true and count
    ]
    worst = sorted(shares, key=lambda share: -share[0])[:WORST]
    return [f"- {true} taken for {guess}: {share:.0%}" for share, true, guess in worst] or [
        "- none"
    ]
