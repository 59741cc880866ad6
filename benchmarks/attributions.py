"""Every attribution on built-in faces, against its peers and the bare passes it needs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_grad_cam
import torch
import torchcam.methods
from captum import attr as captum
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from benchmarks.gradcam import agreement
from benchmarks.report import Row, Section, Target
from benchmarks.timing import BATCH_SIZES, Spread, alternate, best_batch_size, ratio
from fer_xai import FERModel, Predictor, load_model
from fer_xai.attributions import ATTRIBUTIONS, Attribution, attribute, upsample
from fer_xai.attributions.cam_ablation import AblationCam, ScoreCam
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.perturbation import Occlusion
from fer_xai.attributions.smoothgrad import SmoothGrad
from fer_xai.attributions.surrogates import Surrogate
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills import fill_images

Maps = Callable[[Tensor, Tensor, int], Tensor]
"""From images ``(B, 3, H, W)``, columns ``(B,)`` and a batch size to maps ``(B, H, W)``."""
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
    peers = _peers(plain, regions)
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


def _peers(plain: FERModel, regions: Tensor) -> dict[str, dict[str, Maps]]:
    """Who else has a method."""
    found: dict[str, dict[str, Maps]] = {}
    cams = {
        "gradcam": ("GradCAM", "GradCAM"),
        "gradcam++": ("GradCAMPlusPlus", "GradCAMpp"),
        "hirescam": ("HiResCAM", None),
        "layercam": ("LayerCAM", "LayerCAM"),
        "xgradcam": ("XGradCAM", "XGradCAM"),
        "eigencam": ("EigenCAM", None),
        "scorecam": ("ScoreCAM", "ScoreCAM"),
        "ablationcam": ("AblationCAM", None),
    }
    for name, (first, second) in cams.items():
        layer = "relu2" if name in ("scorecam", "ablationcam") else "relu5"
        found[name] = {"pytorch-grad-cam": _grad_cam(copy.deepcopy(plain), first, layer)}
        if second:
            found[name]["torchcam"] = _torchcam(copy.deepcopy(plain), second, layer)
    found["saliency"] = {"Captum": _captum(plain, captum.Saliency, abs=False)}
    found["input_x_gradient"] = {"Captum": _captum(plain, captum.InputXGradient)}
    found["integrated_gradients"] = {
        "Captum": _captum(plain, captum.IntegratedGradients, n_steps=32, inner=True)
    }
    found["occlusion"] = {
        "Captum": _captum(
            plain,
            captum.Occlusion,
            sliding_window_shapes=(3, 8, 8),
            strides=(3, 4, 4),
            inner=True,
        )
    }
    found["guided_backprop"] = {"Captum": _captum(plain, captum.GuidedBackprop)}
    found["deconvolution"] = {"Captum": _captum(plain, captum.Deconvolution)}
    found["guided_gradcam"] = {
        "Captum": _captum(plain, lambda model: captum.GuidedGradCam(model, model.layer("relu5")))
    }
    for name in ("smoothgrad", "vargrad"):
        found[name] = {
            "Captum": _captum(
                plain,
                lambda model: captum.NoiseTunnel(captum.Saliency(model)),
                nt_type=name,
                nt_samples=SmoothGrad().samples,
                stdevs=0.15,
                abs=False,
            )
        }
    found["gradient_shap"] = {
        "Captum": _captum(plain, captum.GradientShap, n_samples=GradientShap().samples)
    }
    found["region_ablation"] = {"Captum": _captum_ablation(plain, regions)}
    for name, kind in (("lime", captum.Lime), ("kernel_shap", captum.KernelShap)):
        found[name] = {"Captum": _captum_surrogate(plain, kind, regions)}
    return found


def _grad_cam(model: FERModel, kind: str, layer: str) -> Maps:
    method = getattr(pytorch_grad_cam, kind)(model=model, target_layers=[model.layer(layer)])

    def run(images: Tensor, columns: Tensor, size: int) -> Tensor:
        parts = []
        for i in range(0, len(images), size):
            targets = [ClassifierOutputTarget(column) for column in columns[i : i + size].tolist()]
            parts.append(
                torch.from_numpy(method(input_tensor=images[i : i + size], targets=targets))
            )
        return torch.cat(parts)

    return run


def _torchcam(model: FERModel, kind: str, layer: str) -> Maps:
    method = getattr(torchcam.methods, kind)(model, target_layer=model.layer(layer))

    def run(images: Tensor, columns: Tensor, size: int) -> Tensor:
        parts = []
        for i in range(0, len(images), size):
            scores = model(images[i : i + size])
            cells = method(class_idx=columns[i : i + size].tolist(), scores=scores)[0].detach()
            parts.append(upsample(cells[:, None], size=(SIZE, SIZE))[:, 0])
        return torch.cat(parts)

    return run


def _captum(model: FERModel, kind: Any, *, inner: bool = False, **options: Any) -> Maps:
    """``inner``: the batch size is that of the method's own passes, of all faces together."""
    method = kind(model)

    def run(images: Tensor, columns: Tensor, size: int) -> Tensor:
        own = dict(options)
        step = size
        if kind is captum.IntegratedGradients:
            step, own["internal_batch_size"] = len(images), max(size, len(images))
        elif inner:
            step = min(size, len(images))
            own["perturbations_per_eval"] = size // step
        if isinstance(method, captum.NoiseTunnel):
            step = min(size, len(images))
            own["nt_samples_batch_size"] = size // step
        elif isinstance(method, captum.GradientShap):
            step = max(1, size // own["n_samples"])
            own["baselines"] = torch.zeros_like(images[:1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = [
                method.attribute(images[i : i + step], target=columns[i : i + step], **own)
                for i in range(0, len(images), step)
            ]
        maps = torch.cat(parts).detach()
        # occlusion of all channels at once gives each of them the same value
        return maps[:, 0] if kind is captum.Occlusion else maps.sum(dim=1)

    return run


def _captum_ablation(model: FERModel, regions: Tensor) -> Maps:
    method = captum.FeatureAblation(model)

    def run(images: Tensor, columns: Tensor, size: int) -> Tensor:
        masks = regions[: len(images)].to(torch.uint8).argmax(dim=1).long()[:, None]
        step = min(size, len(images))
        parts = [
            method.attribute(
                part,
                fill_images(part, "mean"),
                columns[rows],
                feature_mask=masks[rows],
                perturbations_per_eval=size // step,
            )[:, 0]
            for rows in (slice(i, i + step) for i in range(0, len(images), step))
            for part in [images[rows]]
        ]
        area = regions[: len(images)].flatten(2).sum(dim=2)[:, :, None, None]
        owned = (regions[: len(images)] / area.clamp(min=1)).sum(dim=1)
        return torch.cat(parts).detach() * owned

    return run


def _captum_surrogate(model: FERModel, kind: Any, regions: Tensor) -> Maps:
    method = kind(model)

    def run(images: Tensor, columns: Tensor, size: int) -> Tensor:
        parts = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for face in range(len(images)):
                image, mask = images[face : face + 1], regions[face].to(torch.uint8).argmax(dim=0)
                parts.append(
                    method.attribute(
                        image,
                        fill_images(image, "mean"),
                        int(columns[face]),
                        n_samples=200,
                        feature_mask=mask.long()[None, None],
                        perturbations_per_eval=size,
                    )[:, 0]
                )
        area = regions[: len(images)].flatten(2).sum(dim=2)[:, :, None, None]
        owned = (regions[: len(images)] / area.clamp(min=1)).sum(dim=1)
        return torch.cat(parts).detach() * owned

    return run
