"""Every attribution on built-in faces, against its peers and the bare passes it needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.attribution_peers import Maps, attribution_peers
from benchmarks.gradcam import agreement
from benchmarks.report import Row, Section, Target
from benchmarks.timing import BATCH_SIZES, Spread, alternate, best_batch_size, ratio
from fer_xai import Predictor, load_model
from fer_xai.attributions import ATTRIBUTIONS, Attribution, attribute, upsample
from fer_xai.attributions.cam_ablation import AblationCam, ScoreCam
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.perturbation import Occlusion
from fer_xai.attributions.surrogates import Surrogate
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.landmarks import face_regions

SIZE = 64
MANY, SOME, FEW = 64, 8, 2
"""Faces, by how many passes a method needs."""
PEERS_NEED = {"ablationcam": 128}
"""Passes a face of a peer, where they are many more than ours."""
NEVER_SLOWER = Target(bound=1.0, at_least=True)
OVERHEAD = Target(bound=1.15, at_least=False)
PERTURBING = ("occlusion", "rise", "region_ablation", "lime", "kernel_shap", "region_shapley")


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive with the shipped weights."""
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"Attributions: GiMeFive trained on built-in faces of {SIZE}×{SIZE}, the predicted "
            f"emotion, {MANY} faces ({SOME} where somebody needs more than 20 passes, {FEW} for more "
            "than 400), maps at image resolution. Peers run the plain model at the batch size of "
            f"{', '.join(map(str, BATCH_SIZES))} (or of passes a call) that suits them best; ours at "
            "the one that Predictor chooses.",
            "Bare passes: as many forward passes (and forward and backward, to the image) of Predictor's "
            "copy on images in memory as the method needs, counted in the tests by a hook. What a CAM "
            "does behind its layer is less than a pass, hence ratios below one.",
            "Score-CAM and Ablation-CAM from relu2 (128 channels). LIME and KernelSHAP over eight "
            "facial regions, as Captum gets them.",
            "Where maps differ: torch-cam's Grad-CAM++ divides a copy and not its weights; "
            "pytorch-grad-cam's damps small gradients by a constant in its denominator, and its "
            "Eigen-CAM has the sign that the solver happens to give; all three enlarge Score-CAM's "
            "masks in other ways; Captum draws noise, paths and samples from the global generator, "
            "starts GradientShap from black alone (ours from three fills), and fits LIME and "
            "KernelSHAP without our weights of coalitions. Captum refuses DeepLift, DeepLiftShap and "
            "LRP of GiMeFive, which uses one max-pool five times; nobody else here has "
            "extremal perturbation, RISE, exact Shapley values, or a fused LayerCAM.",
        ],
    )
    faces = synthetic_faces(MANY, size=SIZE)
    images = (faces.pixels(SIZE).float() / 255).contiguous()
    regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
    plain = load_model("gimefive", weights="synthetic")
    predictor = Predictor(plain, device="cpu")
    columns = predictor.logits(images).argmax(dim=1)
    peers = attribution_peers(plain, regions)
    for name in ATTRIBUTIONS:
        method = _chosen(name)
        if method is None:
            continue
        _measure_method(
            name,
            method,
            predictor=predictor,
            images=images,
            columns=columns,
            regions=regions,
            peers=peers.get(name, {}),
            rounds=rounds,
            section=section,
        )
    return section


def _chosen(name: str) -> Attribution | None:
    """The method as it is compared; None for those that GiMeFive has no use for."""
    if name in ("attention_rollout", "gradient_rollout"):
        return None
    special: dict[str, Attribution] = {
        "scorecam": ScoreCam(layer="relu2"),
        "ablationcam": AblationCam(layer="relu2"),
        "occlusion": Occlusion(fill="black"),
        "lime": Surrogate(samples=200),
        "kernel_shap": Surrogate(samples=200, kernel="shap"),
        # as many points as peers take, whatever the gap
        "integrated_gradients": IntegratedGradientsTo(most=1),
        "integrated_gradients_blur": IntegratedGradientsTo(baseline="blur", most=1),
        "gradient_shap": GradientShap(most=1),
    }
    return special.get(name, ATTRIBUTIONS[name])


def _bare(predictor: Predictor, images: Tensor, needed: tuple[float, float]) -> None:
    """As many passes of images in memory; a backward one comes after a forward one."""
    step = predictor.batch_size_for(10**6)
    batch = predictor.to_device(images[torch.arange(step) % len(images)])
    for count, backward in ((needed[0] - needed[1], False), (needed[1], True)):
        left = round(max(count, 0) * len(images))
        while left > 0:
            some = batch[: min(step, left)]
            if backward:
                some = some.clone().requires_grad_()
                torch.autograd.grad(predictor.fastest(some).amax(dim=1).sum(), some)
            else:
                predictor.run(some)
            left -= len(some)


def _measure_method(
    name: str,
    method: Attribution,
    *,
    predictor: Predictor,
    images: Tensor,
    columns: Tensor,
    regions: Tensor,
    peers: dict[str, Maps],
    rounds: int,
    section: Section,
) -> None:
    needed = method.passes(predictor, regions=regions.shape[1])
    total = max(sum(needed), PEERS_NEED.get(name, 0))
    n = FEW if total > 400 else SOME if total > 20 else MANY
    images, columns, regions = images[:n], columns[:n], regions[:n]

    def ours() -> Tensor:
        cells = attribute(predictor, images, columns[:, None], method=method, regions=regions).cells
        return upsample(cells, size=(SIZE, SIZE))[:, 0]

    contenders: dict[str, Callable[[], Tensor]] = {"ours": ours}
    sizes = {}
    for peer, run in peers.items():
        sizes[peer] = best_batch_size(partial(run, images, columns))
        contenders[peer] = partial(run, images, columns, sizes[peer])
    maps = {peer: run() for peer, run in contenders.items()}
    timed: dict[str, Callable[[], object]] = {
        **contenders,
        "passes": partial(_bare, predictor, images, needed),
    }
    seconds = alternate(timed, rounds=rounds)
    cell = _cell(seconds["ours"], n)
    for peer in peers:
        section.rows.append(
            Row(
                name=f"{name}: {peer} / ours",
                ours=cell,
                peer=f"{_cell(seconds[peer], n)} (batch {sizes[peer]})",
                ratio=ratio(seconds, peer, "ours"),
                target=NEVER_SLOWER,
                agreement=agreement(maps["ours"], maps[peer]),
            )
        )
    section.rows.append(
        Row(
            name=f"{name}: ours / {needed[0]:.0f} forward and {needed[1]:.0f} backward passes",
            ours=cell,
            peer=_cell(seconds["passes"], n),
            ratio=ratio(seconds, "ours", "passes"),
            target=OVERHEAD if name in PERTURBING else None,
        )
    )
    section.seconds[name] = seconds
    section.settings[name] = {"faces": n, "passes": list(needed), "batch_sizes": sizes}


def _cell(seconds: list[float], faces: int) -> str:
    return f"{Spread.of(seconds).median / faces * 1e3:.1f} ms/face"
