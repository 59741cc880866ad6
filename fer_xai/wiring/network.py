"""Checks of the network and its answers that need no labels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from fer_xai.wiring.finding import Finding, Verdict

FEW = 20
"""Faces from which answers in [0, 1] are taken for probabilities."""
ONE_ANSWER = 0.95
"""Share of the faces with one answer from which a network counts as giving no other."""
TOLERANCE = 1e-3
"""Share of the logits' spread by which answers may move with batch and repetition."""


def network_findings(predictor: Predictor, images: Tensor, logits: Tensor) -> Iterator[Finding]:
    """Findings about weights and answers.

    Parameters
    ----------
    predictor
        Predictor of the model; its plain copy is in evaluation mode.
    images
        ``(n, 3, H, W)`` float32, some of the faces.
    logits
        ``(N, C)``: answers to all faces.

    Examples
    --------
    >>> model = FERModel(nn.Sequential(nn.Flatten(), nn.Linear(12, 7)), emotions="rafdb", size=2)
    >>> images = torch.rand(9, 3, 2, 2)
    >>> used = Predictor(model, device="cpu")
    >>> found = list(network_findings(used, images, used.logits(images)))
    >>> found[0].sentence
    'All weights and logits are finite.'
    """
    model = predictor.model
    yield _numbers(model, logits)
    yield _precision(model)
    yield _modes(model)
    yield _batch_norms(model)
    yield _repetition(model, images)
    yield _company(model, images)
    yield _ending(model, logits)
    yield _constant_outputs(model, logits)


def before_use(model: FERModel, faces: Faces) -> tuple[FERModel, list[Finding]]:
    """What would keep a network from being used: no numbers, probabilities, one face refused.

    Returns
    -------
    model, findings
        The model with probabilities read as such where it ends in a softmax that is not declared;
        findings that did not pass.

    Examples
    --------
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.Softmax(dim=1))
    >>> faces = Faces.from_tensors(torch.rand(3, 3, 2, 2), torch.tensor([0, 1, 2]))
    >>> model, found = before_use(FERModel(net, emotions="rafdb", size=2), faces)
    >>> model.ends_in, found[0].suggestion
    ('softmax', {'ends_in': 'softmax'})
    """
    images = faces[:FEW].pixels(model.size).float() / 255
    training = {module: module.training for module in model.modules()}
    try:
        logits = _answers(model.eval(), images)
    except (InputError, RuntimeError, ValueError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        return model, [Finding(check="answers", verdict="fail", sentence=reason)]
    finally:
        for module, mode in training.items():
            module.training = mode
    finite = _numbers(model, logits)
    if finite.verdict == "fail":
        return model, [finite]
    ends = _ending(model, logits)
    if ends.verdict == "fail":
        return model.rewired(**ends.suggestion), [ends]
    return model, []


def _numbers(model: FERModel, logits: Tensor) -> Finding:
    """Are weights and answers finite numbers?"""
    check = "finite numbers"
    for name, value in [*model.net.named_parameters(), *model.net.named_buffers()]:
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return Finding(
                check=check, verdict="fail", sentence=f"{name} holds NaN or infinite values."
            )
    bad = int((~torch.isfinite(logits)).any(dim=1).sum())
    if bad:
        return Finding(
            check=check,
            verdict="fail",
            sentence=f"{bad:,} of {len(logits):,} faces get NaN or infinite logits.",
        )
    return Finding(check=check, verdict="pass", sentence="All weights and logits are finite.")


def _precision(model: FERModel) -> Finding:
    """In which numbers are the weights?"""
    kinds = sorted({str(p.dtype).removeprefix("torch.") for p in model.net.parameters()})
    sentence = f"The weights are {' and '.join(kinds) or 'none'}."
    verdict: Verdict = "pass"
    if "float16" in kinds or "bfloat16" in kinds:
        verdict = "undecided"
        sentence += " Half precision rounds gradients, and maps with them: use net.float()."
    elif "float64" in kinds:
        sentence += " Double precision takes twice the time of net.float()."
    return Finding(check="precision", verdict=verdict, sentence=sentence)


def _modes(model: FERModel) -> Finding:
    """Is every module in evaluation mode after ``eval()``?"""
    training = [name or "the network itself" for name, m in model.net.named_modules() if m.training]
    if training:
        return Finding(
            check="evaluation mode",
            verdict="fail",
            sentence=(
                f"After eval() {len(training)} modules are still in training mode, such as "
                f"{training[0]}: dropout or BatchNorm may be at work there."
            ),
        )
    return Finding(
        check="evaluation mode", verdict="pass", sentence="All modules are in evaluation mode."
    )


def _batch_norms(model: FERModel) -> Finding:
    """Have BatchNorms seen data?"""
    check = "BatchNorm statistics"
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    layers = [(name, m) for name, m in model.net.named_modules() if isinstance(m, kinds)]
    if not layers:
        return Finding(check=check, verdict="not applicable", sentence="There is no BatchNorm.")
    new = [name for name, layer in layers if _is_new(layer)]
    if new:
        return Finding(
            check=check,
            verdict="fail",
            sentence=(
                f"{len(new)} of {len(layers)} BatchNorms, such as {new[0]}, have means of 0 and "
                "variances of 1 as on the first day: their buffers were not loaded, or the "
                "network was never trained."
            ),
        )
    return Finding(
        check=check, verdict="pass", sentence=f"All {len(layers)} BatchNorms have seen data."
    )


def _is_new(layer: nn.Module) -> bool:
    mean, variance = getattr(layer, "running_mean", None), getattr(layer, "running_var", None)
    if mean is None or variance is None:
        return False
    return not bool(mean.any()) and bool((variance == 1).all())


def _spread(logits: Tensor) -> float:
    """Spread of the logits over faces; a hundredth of their size where they hardly differ."""
    spread = float(logits.double().std(dim=0).mean()) if len(logits) > 1 else 0.0
    return max(spread, 0.01 * float(logits.abs().max()), 1e-12)


def _answers(model: FERModel, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return model(images.to(model.device)).float().cpu()


def _repetition(model: FERModel, images: Tensor) -> Finding:
    """Does the network answer the same twice?"""
    one, two = _answers(model, images), _answers(model, images)
    moved = float((one - two).abs().max()) / _spread(one)
    return _steady(
        "chance",
        moved,
        "The same faces get the same logits twice",
        "The same faces get other logits the second time",
        "something random is at work in evaluation mode, such as dropout",
    )


def _company(model: FERModel, images: Tensor) -> Finding:
    """Does a face's answer depend on the faces beside it?"""
    check = "other faces of the batch"
    if len(images) < 2:
        return Finding(check=check, verdict="undecided", sentence="There is one face alone.")
    together = _answers(model, images)
    try:
        alone = torch.cat([_answers(model, image[None]) for image in images[:4]])
    except (RuntimeError, ValueError) as error:  # BatchNorm in training mode wants two
        reason = str(error).split("\n", maxsplit=1)[0]
        return Finding(
            check=check, verdict="fail", sentence=f"One face alone is refused ({reason})."
        )
    moved = float((together[:4] - alone).abs().max()) / _spread(together)
    return _steady(
        check,
        moved,
        "A face alone gets the logits that it gets among others",
        "A face alone gets other logits than among others",
        "BatchNorm may be in training mode, or the network may compare the faces of a batch",
    )


def _steady(check: str, moved: float, good: str, bad: str, why: str) -> Finding:
    ok = moved <= TOLERANCE
    share = f"largest difference {moved:.1e} of the logits' spread"
    return Finding(
        check=check,
        verdict="pass" if ok else "fail",
        sentence=f"{good} ({share})." if ok else f"{bad} ({share}): {why}.",
        numbers={"difference": moved},
    )


def _ending(model: FERModel, logits: Tensor) -> Finding:
    """Are the answers logits, or probabilities?"""
    check, declared = "logits or probabilities", model.wiring["ends_in"]
    if declared != "logits":
        return Finding(
            check=check,
            verdict="pass",
            sentence=f"The answers are probabilities, as declared (ends_in={declared!r}).",
        )
    values = logits.double()
    low, high = float(values.min()), float(values.max())
    inside = low >= 0 and high <= 1
    if inside and float((values.sum(dim=1) - 1).abs().max()) < 1e-3:
        return Finding(
            check=check,
            verdict="fail",
            sentence=(
                "Every answer is at least 0 and they sum to 1: the network ends in a softmax, and "
                "its gradients and differences are not those of logits."
            ),
            suggestion={"ends_in": "softmax"},
            numbers={"smallest": low, "largest": high},
        )
    numbers = {"smallest": low, "largest": high}
    if inside and len(values) >= FEW and low < 0.2 and high > 0.8:
        return Finding(
            check=check,
            verdict="fail",
            sentence=(
                f"All answers to {len(values):,} faces lie in [0, 1], from {low:.3f} to "
                f"{high:.3f}: the network ends in a sigmoid."
            ),
            suggestion={"ends_in": "sigmoid"},
            numbers=numbers,
        )
    if inside:
        return Finding(
            check=check,
            verdict="undecided",
            sentence=f"All answers lie in [0, 1], from {low:.3f} to {high:.3f}.",
            numbers=numbers,
        )
    return Finding(
        check=check,
        verdict="pass",
        sentence=f"The answers are logits: they reach from {low:.2f} to {high:.2f}.",
        numbers=numbers,
    )


def _constant_outputs(model: FERModel, logits: Tensor) -> Finding:
    """Does each output depend on the face?"""
    check = "outputs that answer"
    if len(logits) < 2:
        return Finding(check=check, verdict="undecided", sentence="There is one face alone.")
    spread = logits.double().std(dim=0)
    scale = max(float(logits.double().abs().mean()), 1e-12)
    dead = [name for name, one in zip(model.emotions, spread, strict=True) if one < 1e-6 * scale]
    if dead:
        return Finding(
            check=check,
            verdict="fail",
            sentence=f"The logit of {', '.join(dead)} is the same for every face.",
        )
    return Finding(check=check, verdict="pass", sentence="Every output depends on the face.")


def one_answer(model: FERModel, logits: Tensor, labels: Tensor | None) -> Finding:
    """Does the model name more than one emotion?

    Parameters
    ----------
    model
        The model.
    logits
        ``(N, C)``.
    labels
        ``(N,)``: true output of each face, where it is known.

    Examples
    --------
    >>> model = FERModel(nn.Identity(), emotions=["anger", "fear"])
    >>> one_answer(model, torch.tensor([[1.0, 0.0]]).repeat(30, 1), None).verdict
    'undecided'
    """
    check = "one answer for all"
    named = torch.bincount(logits.argmax(dim=1), minlength=len(model.emotions))
    share, most = float(named.max()) / max(len(logits), 1), int(named.argmax())
    sentence = f"{model.emotions[most].capitalize()} is named for {share:.1%} of the faces"
    numbers = {"share": share, "faces": float(len(logits))}
    if share < ONE_ANSWER:
        return Finding(check=check, verdict="pass", sentence=f"{sentence}.", numbers=numbers)
    if labels is None or len(logits) < FEW:
        sentence += "; whether they show it is not known" if labels is None else "; they are few"
        return Finding(check=check, verdict="undecided", sentence=f"{sentence}.", numbers=numbers)
    true = float((labels == most).double().mean())
    verdict: Verdict = "fail" if share - true > 0.1 else "pass"
    return Finding(
        check=check,
        verdict=verdict,
        sentence=f"{sentence}, and {true:.1%} show it.",
        numbers=numbers,
    )


def mirrored(logits: Tensor, turned: Tensor) -> Finding:
    """How often is the mirrored face named alike?

    Examples
    --------
    >>> mirrored(torch.eye(2), torch.eye(2)).sentence
    '100.0% of mirrored faces get the same answer.'
    """
    same = float((logits.argmax(dim=1) == turned.argmax(dim=1)).double().mean())
    return Finding(
        check="mirrored faces",
        verdict="pass" if same >= 0.7 else "undecided",
        sentence=f"{same:.1%} of mirrored faces get the same answer.",
        numbers={"same": same, "faces": float(len(logits))},
    )
