"""Attributions of other packages, each behind one signature."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_grad_cam
import torch
import torchcam.methods
from captum import attr as captum
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from fer_xai import FERModel
from fer_xai.attributions import upsample
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.smoothgrad import SmoothGrad
from fer_xai.perturb.fills import fill_images

Maps = Callable[[Tensor, Tensor, int], Tensor]
"""From images ``(B, 3, H, W)``, columns ``(B,)`` and a batch size to maps ``(B, H, W)``."""


def attribution_peers(plain: FERModel, regions: Tensor) -> dict[str, dict[str, Maps]]:
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
            parts.append(upsample(cells[:, None], size=(images.shape[2], images.shape[3]))[:, 0])
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
