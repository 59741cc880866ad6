"""Randomisation: does an explanation change when what the model has learned is taken away?

All compare maps of one method with each other, so that a method with its sign turned over scores
alike: exactly by rank and product correlation, nearly by SSIM and histograms.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from fer_xai.checks import check_images
from fer_xai.errors import InputError
from fer_xai.norms import batchnorms, recalibrate
from fer_xai.probe import Classifier, Probe
from fer_xai.seeding import generator
from metrics.complexity import histogram_entropy
from metrics.explaining import checked_maps, explained, seeded_images
from metrics.ledger import Ledger, ledger_of
from metrics.likeness import Likeness, comparable, compared, map_similarity
from metrics.spec import METRICS, Explain, MetricSpec

Order = Literal["cascading", "independent", "bottom_up"]
Statistics = Literal["recalibrate", "keep", "reset"]
M = TypeVar("M", bound=nn.Module)
MIN_NETWORKS = 10
_CALIBRATED_TOGETHER = 64


def randomised(
    model: M,
    *,
    seed: int,
    layers: Sequence[str] | None = None,
    batchnorm: Statistics = "recalibrate",
    images: Tensor | None = None,
) -> M:
    """A copy of a model whose parameters are drawn anew, bare ones among them.

    Modules with a ``reset_parameters`` initialise themselves. Whatever that leaves alone (class
    tokens, position embeddings, the ``in_proj_weight`` of attention, layer scales, …) is drawn
    from a normal distribution with the mean and standard deviation of the trained tensor, or, where
    all its entries are alike, with their magnitude as the deviation. So no trained value survives,
    but where a fresh one is the same by design: ones and zeros of normalisation layers, biases that
    start at zero, tensors that are zero throughout.

    A layer is drawn alike whichever others are drawn with it, so that a cascade takes one step at
    a time. Draws are made on the CPU; PyTorch's global generator is left as found.

    Parameters
    ----------
    model
        The trained model, which stays as it is.
    seed
        Of all draws.
    layers
        Names of the modules whose own parameters are drawn; all by default.
    batchnorm
        Running statistics, which are no parameters: ``recalibrate`` takes those of ``images``,
        since activations of random weights have another scale, for each BatchNorm at or behind a
        layer that is drawn; ``keep`` leaves the trained ones; ``reset`` sets those of the layers
        drawn to mean 0 and variance 1.
    images
        ``(N, 3, H, W)`` in [0, 1], to recalibrate with.

    Returns
    -------
    nn.Module
        On the model's device and in its mode. Other buffers are the trained model's.

    Raises
    ------
    InputError
        For an unknown layer or policy, or fewer than two images where BatchNorm needs them.
    """
    if batchnorm not in ("recalibrate", "keep", "reset"):
        raise InputError(f"Expected batchnorm recalibrate, keep or reset, got {batchnorm!r}.")
    modules = dict(model.named_modules())
    chosen = list(modules) if layers is None else list(layers)
    unknown = [name for name in chosen if name not in modules]
    if unknown:
        raise InputError(
            f"Expected names of the model's modules as layers, got {', '.join(unknown)}: see "
            "model.named_modules()."
        )
    # A caller's inference mode would forbid gradients of the copy for good.
    with torch.inference_mode(mode=False), torch.no_grad():
        drawn = _reinitialised(copy.deepcopy(model).cpu(), seed)
        fresh = copy.deepcopy(model)
        for name in chosen:
            own, other = (dict(part.named_parameters(recurse=False))
                          for part in (fresh.get_submodule(name), drawn[name]))  # fmt: skip
            for key, trained in modules[name].named_parameters(recurse=False):
                noise = torch.randn(trained.shape, generator=generator(seed, "drawn", name, key))
                mean, deviation = _moments(trained)
                missing = ~torch.isfinite(other[key])
                own[key].copy_(torch.where(missing, mean + deviation * noise, other[key]))
    _settle(fresh, chosen, everything=layers is None, policy=batchnorm, images=images)
    return fresh


def _reinitialised(model: nn.Module, seed: int) -> dict[str, nn.Module]:
    """Modules by name after their ``reset_parameters``; what that left alone is NaN."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.fill_(torch.nan)
    modules = dict(model.named_modules())
    with torch.random.fork_rng(devices=[]):
        for name, module in modules.items():  # parents come first: a layer's own word is the last
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                # the CPU's generator alone: torch.manual_seed would seed the accelerators' as well
                torch.default_generator.manual_seed(generator(seed, name).initial_seed())
                reset()
    return modules


def _moments(trained: Tensor) -> tuple[float, float]:
    values = trained.double()
    mean = float(values.mean())
    deviation = float(values.std(correction=0))
    return mean, deviation if deviation > 1e-6 * abs(mean) else abs(mean)


def _settle(
    model: nn.Module,
    drawn: Sequence[str],
    *,
    everything: bool,
    policy: Statistics,
    images: Tensor | None,
) -> None:
    """BatchNorm's running statistics after layers were drawn anew."""
    norms = batchnorms(model)
    if policy == "reset":
        for name in set(drawn) & set(norms):
            norms[name].reset_running_stats()  # type: ignore[operator]
    if policy != "recalibrate" or not norms or not drawn:
        return
    if images is None or len(images) < 2:
        raise InputError(
            f"Expected at least two images to recalibrate BatchNorm on, got "
            f"{0 if images is None else len(images)}: hand in more, or choose keep or reset."
        )
    check_images(images)
    device = next(model.buffers()).device
    batches = [
        part.to(device) for part in images.tensor_split(-(-len(images) // _CALIBRATED_TOGETHER))
    ]  # of two images at least
    if not everything:
        order = _reached(model, batches[0][:2])
        behind = order[min(order.index(name) for name in drawn) :]
        norms = {name: norm for name, norm in norms.items() if name in behind}
    recalibrate(model, batches, norms=list(norms.values()))


def layers_of(model: nn.Module, images: Tensor) -> list[str]:
    """Modules with parameters of their own, in the order in which a pass reaches them.

    Modules that are never called, only read (the output projection of attention), take the place
    of the one that they are part of.

    Parameters
    ----------
    model
        Takes the images.
    images
        ``(B, 3, H, W)``; what is in them does not matter.
    """
    modules = dict(model.named_modules())
    return [
        name for name in _reached(model, images)
        if next(modules[name].named_parameters(recurse=False), None) is not None
    ]  # fmt: skip


def _reached(model: nn.Module, images: Tensor) -> list[str]:
    """Every module, in the order in which a pass reaches it."""
    place: dict[str, int] = {}

    def note(name: str, *_: object) -> None:
        place.setdefault(name, len(place))

    names = [name for name, _ in model.named_modules()]
    hooks = [part.register_forward_pre_hook(partial(note, name))
             for name, part in model.named_modules()]  # fmt: skip
    was_training = {module: module.training for module in model.modules()}
    try:
        with torch.inference_mode():
            model.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in was_training.items():
            module.training = mode

    def where(name: str) -> int:
        while name not in place:
            name = name.rpartition(".")[0]
        return place[name]

    return sorted(names, key=where)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascade:
    """Similarity of each face's map with those of ever more random networks.

    Attributes
    ----------
    layers
        L names: what is drawn anew at each step (with ``independent``), or last of all that is.
    similarity
        ``(B, L)``; NaN where either map is undefined. The trained network is not among them.
    """

    layers: tuple[str, ...]
    similarity: Tensor

    @property
    def mean(self) -> Tensor:
        """``(B,)`` over the steps at which it is defined."""
        return self.similarity.nanmean(dim=1)

    @property
    def last(self) -> Tensor:
        """``(B,)`` at the last step: all is random by then (the first layer, if independent)."""
        return self.similarity[:, -1]

    @property
    def undefined(self) -> Tensor:
        """``(B,)`` at how many steps it is not defined."""
        return self.similarity.isnan().sum(dim=1)


def mprt(
    model: Classifier | Probe | Ledger,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    order: Order = "cascading",
    similarity: Likeness = "spearman",
    absolute: bool = False,
    layers: int = 8,
    smooth: int = 0,
    noise: float = 0.1,
    batchnorm: Statistics = "recalibrate",
    calibration: Tensor | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Cascade:
    """Does the map stay as it was when layers are made random? Lower is better.

    The model parameter randomisation test of Adebayo et al., NeurIPS 2018. Its
    averages here are over random networks alone: one that counts the trained network, whose map
    is like itself, starts from 1. Two maps that show where the face is are alike for that, so the
    score is read against a null (:func:`randomisation_gate`), not against zero.

    Parameters
    ----------
    model
        A classifier, a probe of one, or a ledger of these images.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)`` of the trained network, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices.
    explain
        Makes maps of a network (:class:`metrics.spec.Explain`).
    order
        ``cascading``: from the logits down, as in the paper; ``independent``: one layer at a time;
        ``bottom_up``: from the image up (Hedström et al., 2024, as Sixt et al., ICML 2020, found
        that maps of some methods do not depend on the upper layers).
    similarity, absolute
        As in :func:`~metrics.likeness.map_similarity`; signed maps keep their sign unless
        ``absolute``.
    layers
        At most this many steps, evenly chosen, the last one always among them.
    smooth
        Noisy copies of a face whose mean map stands for its map, of the trained network too (for
        which ``maps`` are then made anew): smooth MPRT, Hedström et al., "A fresh look at sanity
        checks for saliency maps", xAI 2024, where 50. None by default.
    noise
        Standard deviation of that noise, as a share of the range of a face's pixels; noisy faces
        are clamped to [0, 1].
    batchnorm, calibration
        As ``batchnorm`` and ``images`` in :func:`randomised`. By default networks are recalibrated
        on the faces at hand, so that a face's score depends a little on which others these are;
        hand in images to keep it from that.
    ids, seed
        Of the draws and the noise.

    Returns
    -------
    Cascade
        Similarities a step.

    Raises
    ------
    InputError
        For another order, maps or targets that do not fit, a number that makes no sense, or one
        face alone where BatchNorm needs at least two.
    """
    if order not in ("cascading", "independent", "bottom_up"):
        raise InputError(f"Expected order cascading, independent or bottom_up, got {order!r}.")
    if layers < 1 or smooth < 0 or noise < 0:
        raise InputError(
            "Expected at least one layer, and no negative smooth or noise, got "
            f"layers={layers}, smooth={smooth}, noise={noise}."
        )
    ledger = ledger_of(model, images, ids=ids, seed=seed)
    trained = ledger.probe.model
    ask = partial(_smoothed, ledger, explain, targets=targets, copies=smooth, noise=noise)
    given = checked_maps(ledger, maps)
    if smooth:
        [(_, given)] = ask(trained)
    reference = comparable(given, similarity, absolute=absolute)
    blank = torch.zeros(1, 3, trained.size, trained.size, device=ledger.probe.device)
    steps = _steps(layers_of(trained, blank), order, layers)
    scores = torch.full((len(ledger), len(steps)), torch.nan)
    for step, (_, drawn) in enumerate(steps if len(ledger) else []):
        network = randomised(
            trained, seed=ledger.seed, layers=drawn, batchnorm=batchnorm,
            images=ledger.images if calibration is None else calibration,
        )  # fmt: skip
        for faces, found in ask(network):
            other = comparable(found, similarity, absolute=absolute)
            scores[faces, step] = compared(reference[faces], other, similarity)
    return Cascade(layers=tuple(name for name, _ in steps), similarity=scores)


def _steps(names: Sequence[str], order: Order, most: int) -> list[tuple[str, list[str]]]:
    """What each step is called, and which layers it draws, of all layers from the image up."""
    ordered = list(names) if order == "bottom_up" else list(names)[::-1]
    count = min(most, len(ordered))
    ends = [round((index + 1) * len(ordered) / count) for index in range(count)]
    return [
        (ordered[end - 1], ordered[end - 1 : end] if order == "independent" else ordered[:end])
        for end in ends
    ]


def _smoothed(
    ledger: Ledger, explain: Explain, network: Any, *, targets: Tensor, copies: int, noise: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Faces and their maps in batches, or means over noisy copies of all faces at once."""
    if not copies:
        for faces, _, found in explained(ledger, explain, network, targets):
            yield faces, found
        return
    pixels = ledger.images.flatten(1)
    deviation = noise * (pixels.amax(dim=1) - pixels.amin(dim=1))

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        draws = seeded_images(ledger, faces, numbers, salt="smooth", draw=torch.randn)
        return (ledger.images[faces] + deviation[faces, None, None, None] * draws).clamp(0, 1)

    total = torch.zeros(len(ledger), *ledger.images.shape[-2:])
    batches = explained(ledger, explain, network, targets, change=change, copies=copies)
    for faces, _, found in batches:
        total.index_add_(0, faces, found)
    yield torch.arange(len(ledger)), total / copies


def emprt(
    model: Classifier | Probe | Ledger,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    bins: int = 100,
    batchnorm: Statistics = "recalibrate",
    calibration: Tensor | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Does the map grow more complex as the model is made random throughout? Higher is better.

    Efficient MPRT, Hedström et al., "A fresh look at sanity checks for saliency maps", xAI 2024:
    (H(ê) − H(e)) / H(e), with H the entropy of the histogram of a map's values (over its own
    range) and ê the map of the random network. No similarity is needed, and two networks are
    enough; but a method whose maps are complex from the start cannot gain by it.

    Parameters
    ----------
    model, images, maps, targets, explain, batchnorm, calibration, ids, seed
        As in :func:`mprt`.
    bins
        Of the histogram.

    Returns
    -------
    Tensor
        ``(B,)``, above −1; NaN where either map is constant.

    Raises
    ------
    InputError
        As :func:`mprt`.
    """
    ledger = ledger_of(model, images, ids=ids, seed=seed)
    before = histogram_entropy(checked_maps(ledger, maps), bins=bins)
    after = torch.full_like(before, torch.nan)
    if len(ledger):
        network = randomised(
            ledger.probe.model, seed=ledger.seed, batchnorm=batchnorm,
            images=ledger.images if calibration is None else calibration,
        )  # fmt: skip
        for faces, _, found in explained(ledger, explain, network, targets):
            after[faces] = histogram_entropy(found, bins=bins)
    return (after - before) / before


def random_logit(
    model: Classifier | Probe | Ledger,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    similarity: Likeness = "ssim",
    absolute: bool = False,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Is the map of another emotion the same? Lower is better.

    Sixt et al., "When explanations lie: why many modified BP attributions fail", ICML 2020: the
    similarity of the target's map with that of another class, drawn for each face
    among the emotions that the model has. SSIM is taken in two dimensions.

    Parameters
    ----------
    model, images, maps, targets, explain, similarity, absolute, ids, seed
        As in :func:`mprt`.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN where either map is undefined, or the model has one emotion.

    Raises
    ------
    InputError
        For maps or targets that do not fit, or another similarity.
    """
    ledger = ledger_of(model, images, ids=ids, seed=seed)
    reference = comparable(checked_maps(ledger, maps), similarity, absolute=absolute)
    classes = len(ledger.probe.emotions)
    out = torch.full((len(ledger),), torch.nan)
    if classes < 2:
        return out
    away = [int(torch.randint(1, classes, (), generator=own))
            for own in ledger.generators("random logit")]  # fmt: skip
    columns = ledger.probe.model.columns(targets) + torch.tensor(away, dtype=torch.int64)
    others = ledger.probe.model.canonical(columns % classes)
    for faces, _, found in explained(ledger, explain, ledger.probe.model, others):
        other = comparable(found, similarity, absolute=absolute)
        out[faces] = compared(reference[faces], other, similarity)
    return out


def model_contrast(
    maps: Tensor, other_maps: Tensor, *, similarity: Likeness = "spearman", absolute: bool = False
) -> Tensor:
    """Are these the maps of a network that was taught nonsense, too? Lower is better.

    The data randomisation test of Adebayo et al., NeurIPS 2018: ``other_maps`` are
    those of a network trained on permuted labels, which the caller has trained. Parameters and
    returns are those of :func:`~metrics.likeness.map_similarity`.
    """
    return map_similarity(maps, other_maps, similarity=similarity, absolute=absolute)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate:
    """Whether an explanation depends on what the model has learned.

    Attributes
    ----------
    similarity
        ``(N, R)`` of each face's map with that of R random networks; NaN where undefined.
    null
        ``(N, R, D)`` with D moved and mirrored copies of these networks' maps.
    """

    similarity: Tensor
    null: Tensor

    @property
    def threshold(self) -> float:
        """95th percentile of the pooled null; NaN if nothing is defined."""
        known = self.null[self.null.isfinite()].numpy()
        return float(np.quantile(known, 0.95)) if len(known) else float("nan")

    @property
    def per_face(self) -> Tensor:
        """``(N,)`` mean over the networks for which it is defined."""
        return self.similarity.nanmean(dim=1)

    @property
    def mean(self) -> float:
        """Over faces with a defined map."""
        return float(self.per_face.nanmean()) if len(self.similarity) else float("nan")

    @property
    def passed(self) -> bool:
        """Whether the mean lies no higher than the threshold; False where nothing is defined."""
        return self.mean <= self.threshold

    @property
    def share_above(self) -> float:
        """Share of the faces with a defined map whose own mean lies above the threshold."""
        known = self.per_face[self.per_face.isfinite()]
        return float((known > self.threshold).double().mean()) if len(known) else float("nan")

    @property
    def blank(self) -> int:
        """Faces that nothing can be said of: their map is undefined, or all networks' are."""
        return int(self.similarity.isnan().all(dim=1).sum())

    @property
    def undefined(self) -> int:
        """Pairs of a face and a network without a similarity."""
        return int(self.similarity.isnan().sum())


def randomisation_gate(
    model: Classifier | Probe | Ledger,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    networks: int = 10,
    draws: int = 20,
    similarity: Likeness = "spearman",
    absolute: bool = False,
    batchnorm: Statistics = "recalibrate",
    calibration: Tensor | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Gate:
    """Would random networks have given the same maps? A method for which they do gets no rank.

    Each face's map is held against those of R networks that are random throughout. Some likeness
    is to be expected of maps as smooth as these, wherever they point: the null holds the same
    trained map against the same random networks' maps after they were moved (round the border, by
    at least a quarter of the side along at least one axis) and mirrored at random, which keeps
    their smoothness and their values and takes away where they point. The gate fails where the
    mean similarity lies above the null's 95th percentile, over all faces.

    The null is *not* the likeness of random networks to each other: an edge detector, or a
    Gaussian on the centre, gives the same map for every network, trained or not, so its trained
    map is as much like a random network's as random networks' are like each other, and it would
    pass. Moved maps do not match it: it fails.

    It is a gate and no score: noise that is drawn anew for each network passes as well, and so may
    a method that depends on the weights and on nothing else that matters. Noise drawn by the face's
    name is a map that ignores the model: it fails.

    Parameters
    ----------
    model, images, maps, targets, explain, similarity, absolute, batchnorm, calibration, ids, seed
        As in :func:`mprt`.
    networks
        R, at least 10.
    draws
        D: moved copies of a network's map, for each face.

    Returns
    -------
    Gate
        Similarities, null, threshold and verdict; undefined pairs are left out and counted.

    Raises
    ------
    InputError
        As :func:`mprt`, or for fewer networks or no draws.
    """
    if networks < MIN_NETWORKS or draws < 1:
        raise InputError(
            f"Expected at least {MIN_NETWORKS} random networks and one draw, got {networks} and "
            f"{draws}: fewer networks say little about chance."
        )
    ledger = ledger_of(model, images, ids=ids, seed=seed)
    reference = comparable(checked_maps(ledger, maps), similarity, absolute=absolute)
    found = torch.full((len(ledger), networks), torch.nan)
    null = torch.full((len(ledger), networks, draws), torch.nan)
    for number in range(networks if len(ledger) else 0):
        network = randomised(
            ledger.probe.model, seed=generator(ledger.seed, "network", number).initial_seed(),
            batchnorm=batchnorm, images=ledger.images if calibration is None else calibration,
        )  # fmt: skip
        for faces, _, made in explained(ledger, explain, network, targets):
            own, other = reference[faces], comparable(made, similarity, absolute=absolute)
            found[faces, number] = compared(own, other, similarity)
            names = [(ledger.seed, ledger.ids[face], "moved", number) for face in faces.tolist()]
            for draw, moved in enumerate(moved_copies(other, names, draws=draws)):
                null[faces, number, draw] = compared(own, moved, similarity)
    return Gate(similarity=found, null=null)


def moved_copies(
    maps: Tensor, names: Sequence[tuple[object, ...]], *, draws: int
) -> Iterator[Tensor]:
    """Copies of maps ``(B, H, W)``, moved round the border and mirrored at random.

    By at least a quarter of the side along at least one axis, all such moves being equally likely;
    mirrored along each axis in half of the cases. ``names`` seed each map's draws.
    """
    height, width = maps.shape[-2:]
    far = [torch.minimum(torch.arange(side), side - torch.arange(side)) >= side / 4
           for side in (height, width)]  # fmt: skip
    moves = (far[0][:, None] | far[1][None]).nonzero()  # (K, 2)
    plans = []
    for name in names:
        own = generator(*name)
        chosen = moves[torch.randint(len(moves), (draws,), generator=own)]
        flips = torch.randint(2, (draws, 2), generator=own)
        plans.append(torch.cat([chosen, flips], dim=1).tolist())
    for draw in range(draws):
        copies = []
        for one, plan in zip(maps, plans, strict=True):
            down, right, *flips = plan[draw]
            axes = [axis for axis in (0, 1) if flips[axis]]
            copies.append(one.flip(axes).roll((down, right), (0, 1)))
        yield torch.stack(copies)


def _spec(
    name: str, fn: Any, *, better: bool, bounds: tuple[float, float], reference: str,
    read: str = "", **options: Any,
) -> MetricSpec:  # fmt: skip
    return METRICS.register(name)(
        MetricSpec(
            name=name,
            fn=fn,
            family="randomisation",
            higher_is_better=better,
            bounds=bounds,
            needs=("model", "images", "maps", "targets", "explain"),
            options=options,
            read=read,
            sign_blind=True,
            reference=reference,
        )
    )


_ADEBAYO = "Adebayo et al., NeurIPS 2018"
_HEDSTROEM = "Hedström et al., xAI 2024"
MPRT = _spec("mprt", mprt, better=False, bounds=(-1, 1), reference=_ADEBAYO, read="mean")
MPRT_LAST = _spec("mprt_last", mprt, better=False, bounds=(-1, 1), reference=_ADEBAYO, read="last")
SMOOTH_MPRT = _spec(
    "smooth_mprt", mprt, better=False, bounds=(-1, 1), reference=_HEDSTROEM, read="mean", smooth=50,
    order="bottom_up",
)  # fmt: skip
EMPRT = _spec("emprt", emprt, better=True, bounds=(-1, float("inf")), reference=_HEDSTROEM)
RANDOM_LOGIT = _spec(
    "random_logit", random_logit, better=False, bounds=(-1, 1),
    reference="Sixt et al., ICML 2020",
)  # fmt: skip
