"""Logits of changed faces, each distinct image scored once, for all metrics together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_ids, check_images, check_tensor, names_of_images
from fer_xai.draws.streams import Stream, Streams, stream, streams
from fer_xai.errors import InputError
from fer_xai.inference.kept import predictor_of
from fer_xai.inference.predictor import Classifier, Predictor
from fer_xai.perturb.fills import Prepared, fill_named, has_fill
from fer_xai.perturb.fills.prepared import Painted
from metrics.core.pixel_order import ORDERS, Order, rank_pixels
from metrics.core.tensor_keys import TensorKeys
from metrics.core.undefined import without_undefined

Change = Callable[[Tensor, Tensor], Tensor]
"""From faces ``(M,)`` and numbers of their copies ``(M,)`` to images ``(M, 3, H, W)``."""
CLEAN, EMPTY = "clean", "empty"
FLAT = 1e-6
"""Scores that vary by less than this carry no signal: passes differ by as much."""


class ScoreCache:
    """Logits of faces with something changed about them; each distinct image is scored once.

    Scores are kept: the clean face, the wholly filled one, every combination of ranking, fill,
    order and count, and every set of changed copies under its key are shared by all metrics that
    use one cache. Images are made on the device, a batch at a time, across faces and copies.

    The images, the model and the regions are those of the time when the cache was made: it works
    on copies, and what is changed in place later does not reach it.

    A fill is a name of :data:`fer_xai.perturb.fills.FILLS`, also with an option (``linear:0.02``,
    :func:`fer_xai.perturb.fills.fill_named`), or that of images of your own. What a fill draws or
    computes whatever the mask is made once for all metrics.

    Parameters
    ----------
    model
        A classifier, or a predictor of one.
    images
        ``(B, 3, H, W)`` in [0, 1].
    ids
        Names of the faces, which seed random fills, ties and samples; their positions by default.
    seed
        Seed of the random generators.
    fills
        Images ``(B, 3, H, W)`` of fills of your own, by their names. A fill that needs regions may
        also be handed in as images.
    regions
        Bool ``(B, 8, H, W)`` of :func:`fer_xai.landmarks.face_regions`, for fills that need them
        (``skin``); such a fill is refused without them.

    Raises
    ------
    InputError
        If images, ids or fills do not fit, or the name of a fill is taken.

    Attributes
    ----------
    passes
        Number of images that were scored so far.

    Examples
    --------
    >>> import fer_xai, metrics
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 7))
    >>> model = fer_xai.FERModel(net, emotions="rafdb", size=8)
    >>> cache = ScoreCache(model, torch.rand(2, 3, 8, 8))
    >>> maps, targets = torch.rand(2, 8, 8), torch.tensor([0, 5])
    >>> for steps in (4, 8):  # the first curve's points are among those of the second
    ...     _ = metrics.deletion(cache, cache.images, maps, targets, steps=steps)
    ...     print(cache.passes)
    10
    18
    """

    def __init__(
        self,
        model: Classifier | Predictor,
        images: Tensor,
        *,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        fills: Mapping[str, Tensor] | None = None,
        regions: Tensor | None = None,
    ) -> None:
        self.predictor = predictor_of(model)
        check_images(images)
        self.ids = names_of_images(ids, len(images))
        self.images = self._copied(images)
        self._version = self.images._version
        self.seed, self.passes = seed, 0
        self._regions = None if regions is None else regions.clone()
        self._fills: dict[str, Prepared] = {}
        for name, filled in (fills or {}).items():
            if has_fill(name) and not fill_named(name).needs_regions:
                raise InputError(
                    f"Expected a name of your own for a fill, got {name!r}, which is built in."
                )
            check_tensor(f"the fill {name!r}", filled, "(B, 3, H, W)")
            if filled.shape != images.shape:
                raise InputError(
                    f"Expected the fill {name!r} as images {tuple(images.shape)}, got "
                    f"{tuple(filled.shape)}."
                )
            self._fills[name] = Painted(self.images, self._copied(check_images(filled)))
        self._keys = TensorKeys()
        self._ranks: dict[int, tuple[Tensor, int]] = {}  # by the key of maps, with their own key
        self._asked: dict[Hashable, Tensor] = {}
        self._removed: dict[tuple[int, str, str], dict[int, Tensor]] = {}  # logits by count

    def _copied(self, images: Tensor) -> Tensor:
        """Images of the cache's own, which do not change with those that were handed in."""
        with torch.inference_mode(mode=False):  # a tensor of inference mode counts no changes
            return images.detach().to(
                self.predictor.device,
                torch.float32,
                copy=True,
                memory_format=torch.channels_last,
            )

    def check_unchanged(self) -> None:
        """Refuse to go on after a change of the images in place: kept logits are of the old ones.

        Raises
        ------
        InputError
            If the images were changed.
        """
        if self.images._version != self._version:
            raise InputError(
                "Expected the cache's images as they were when it was made, got them changed in "
                "place: change a copy, and make a cache of it."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pixels(self) -> int:
        """P, pixels of a face."""
        return self.images.shape[-2] * self.images.shape[-1]

    def stream(self, face: int, salt: str) -> Stream:
        """Random numbers of one face, named by seed, its name and salt."""
        return stream(self.seed, self.ids[face], salt)

    def streams(self, salt: str) -> Streams:
        """Random numbers of all faces, in order, drawn at once."""
        return streams((self.seed, name, salt) for name in self.ids)

    def filled(self, fill: str) -> Tensor:
        """Images ``(B, 3, H, W)`` of faces of which a fill has replaced every pixel."""
        return self._prepared(fill).whole.clone()

    def _prepared(self, fill: str) -> Prepared:
        """A fill for all faces, made once."""
        if fill not in self._fills:
            chosen = fill_named(fill)
            self._fills[fill] = chosen.prepare(
                self.images,
                generators=self.streams(f"fill {chosen.kind}") if chosen.random else None,
                regions=self._regions,
            )
        return self._fills[fill]

    def ranked(self, maps: Tensor) -> Tensor:
        """Ranks of maps ``(B, H, W)``, sorted once for all metrics, and anew for changed maps.

        A map that is not finite is ranked as a blank one.
        """
        key = self.key_of(maps)
        found, own = self._ranks.get(key, (None, 0))
        if found is None or self.key_of(found) != own:
            found = rank_pixels(without_undefined(maps), seed=self.seed, ids=self.ids)
            found = found.to(self.predictor.device)
            self._ranks[key] = (found, self.key_of(found))
        return found

    def key_of(self, tensor: Tensor) -> int:
        """A key for :meth:`ask` that stands for a tensor as it is now."""
        return self._keys.of(tensor)

    def clean(self) -> Tensor:
        """Logits ``(B, C)`` of the faces as they are."""
        return self.ask(CLEAN, lambda faces, _: self.images[faces], copies=1)[:, 0]

    def empty(self, fill: str) -> Tensor:
        """Logits ``(B, C)`` of the fill alone."""
        filled = self._prepared(fill).whole
        return self.ask((EMPTY, fill), lambda faces, _: filled[faces], copies=1)[:, 0]

    def ask(self, key: Hashable, change: Change, *, copies: int) -> Tensor:
        """Logits of changed copies of each face, in batches that are full across faces.

        Parameters
        ----------
        key
            Name of the copies: if they are asked for again, they are not scored again.
        change
            Function of faces ``(M,)`` and numbers of their copies ``(M,)`` that makes images
            ``(M, 3, H, W)``.
        copies
            n, number of copies of each face.

        Returns
        -------
        Tensor
            ``(B, n, C)`` float32 on the CPU.
        """
        self.check_unchanged()
        if key not in self._asked:
            total = len(self) * copies
            making = threading.Lock()

            def scored(view: Predictor, part: slice) -> Tensor:
                rows = torch.arange(part.start, part.stop, device=view.device)
                with making:  # changes may keep what they draw, and are made one after the other
                    images = change(rows // copies, rows % copies)
                return view.run(images.contiguous(memory_format=torch.channels_last)).cpu()

            found = self.predictor.each(total, scored)
            out = torch.cat(found) if found else torch.zeros(0, len(self.predictor.emotions))
            self.passes += total
            self._asked[key] = out.unflatten(0, (len(self), copies))
        return self._asked[key].clone()

    def blended(self, faces: Tensor, gone: Tensor, fill: str) -> Tensor:
        """Images ``(M, 3, H, W)`` of these faces, filled where bool ``(M, H, W)`` says."""
        return self._prepared(fill).blend(gone, faces)

    def removed(self, ranks: Tensor, counts: Sequence[int], *, fill: str, order: Order) -> Tensor:
        """Logits of faces without their first pixels.

        Parameters
        ----------
        ranks
            int32 ``(B, H, W)`` of :func:`~metrics.core.pixel_order.rank_pixels`.
        counts
            S numbers of pixels that are removed, from 0 to P.
        fill
            Name of what replaces them.
        order
            ``morf`` removes the most relevant first, ``lerf`` the least relevant.

        Returns
        -------
        Tensor
            ``(B, S, C)`` float32 on the CPU.

        Raises
        ------
        InputError
            If ranks do not fit the images, the order is unknown, or a count is out of range.
        """
        self.check_unchanged()
        if ranks.shape != (len(self), *self.images.shape[-2:]):
            raise InputError(
                f"Expected ranks {(len(self), *self.images.shape[-2:])} to fit the images, got "
                f"{tuple(ranks.shape)}: bring maps to the images' size."
            )
        check_choice("order", order, ORDERS)
        total = self.pixels
        if any(not 0 <= count <= total for count in counts):
            raise InputError(f"Expected counts from 0 to {total} pixels, got {list(counts)}.")
        inner = sorted({int(count) for count in counts} - {0, total})
        ranking = self.key_of(ranks)
        held = self._removed.setdefault((ranking, fill, order), {})
        wanted = [count for count in inner if count not in held]
        if wanted:
            limits = torch.tensor(wanted, device=self.predictor.device, dtype=torch.int32)
            here = ranks.to(self.predictor.device)

            def change(faces: Tensor, numbers: Tensor) -> Tensor:
                limit = limits[numbers][:, None, None]
                rank = here[faces]
                gone = rank < limit if order == "morf" else rank >= total - limit
                return self.blended(faces, gone, fill)

            key = (ranking, fill, order, *wanted)
            found = self.ask(key, change, copies=len(wanted))
            del self._asked[key]  # kept by count instead
            held.update({count: found[:, place] for place, count in enumerate(wanted)})
        if 0 in counts:
            held[0] = self.clean()
        if total in counts:
            held[total] = self.empty(fill)
        return torch.stack([held[int(count)] for count in counts], dim=1)


def cache_of(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    *,
    ids: Sequence[str] | None = None,
    seed: int = 0,
    regions: Tensor | None = None,
) -> ScoreCache:
    """The cache that was handed in, or a new one of these images.

    The ids, the seed and the regions of a cache that was handed in hold.

    Raises
    ------
    InputError
        If the cache has other images or other ids, or another seed than the one given beside it
        (the default, 0, means none).

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = cache_of(model, torch.ones(1, 3, 2, 2), ids=["a"])
    >>> cache_of(cache, torch.ones(1, 3, 2, 2)) is cache
    True
    >>> cache_of(cache, torch.zeros(1, 3, 2, 2))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the cache's own images (1, 3, 2, 2), got others ...
    """
    if not isinstance(model, ScoreCache):
        return ScoreCache(model, images, ids=ids, seed=seed, regions=regions)
    model.check_unchanged()
    check_tensor("images", images, "(B, 3, H, W)")
    if images is not model.images and not (
        images.shape == model.images.shape and torch.equal(images.to(model.images), model.images)
    ):
        raise InputError(
            f"Expected the cache's own images {tuple(model.images.shape)}, got others "
            f"{tuple(images.shape)}: make a cache of these."
        )
    given_ids = None if ids is None else check_ids(ids, len(images))
    for name, given, own in (("ids", given_ids, model.ids), ("seed", seed, model.seed)):
        if given and given != own:
            raise InputError(
                f"Expected the cache's own {name}, got others: hand them to the cache alone."
            )
    return model
