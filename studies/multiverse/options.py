"""The option that turns a study's run into a multiverse run."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from fer_xai.checks import check_count
from fer_xai.errors import InputError
from studies.engine.endpoints import Endpoint
from studies.engine.study import Study
from studies.multiverse.factors import Multiverse


@dataclass(frozen=True, kw_only=True)
class Multiversal(Study, ABC):
    """Whether the study's claim is looked at under other choices.

    Examples
    --------
    >>> class Asked(Multiversal):
    ...     def declared(self):
    ...         return Multiverse(claim="It holds.", estimate="gain", factors=())
    >>> Asked().config(), list(Asked(multiverse_faces=50).config())
    ({}, [])
    """

    not_in_multiverse: ClassVar[tuple[str, ...]] = ("limit",)
    """Options that a multiverse run does not take: its declared set decides."""
    multiverse_endpoint: ClassVar[Endpoint]
    """What a multiverse run claims, in place of the study's endpoint; declared as that is."""

    multiverse: bool = False
    """Ask the study's claim of other choices that are as plausible: one at a time, and 64 sampled
    combinations."""
    multiverse_faces: int = 200
    """At most this many faces in a multiverse run, with the emotions' shares kept."""

    @abstractmethod
    def declared(self) -> Multiverse:
        """The plausible set, with the study's own options as defaults."""

    def declaration(self) -> dict[str, Any]:
        """The endpoint of this run: that of multiverse runs, or the study's."""
        if self.multiverse:
            return {"endpoint": self.multiverse_endpoint.declared()}
        return super().declaration()

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        check_count("--multiverse-faces", self.multiverse_faces)
        if not self.multiverse:
            return
        self.declared()
        for one in dataclasses.fields(self):
            if one.name in self.not_in_multiverse and getattr(self, one.name) != one.default:
                option = f"--{one.name.replace('_', '-')}"
                instead = " (take --multiverse-faces)" if one.name == "limit" else ""
                raise InputError(
                    f"Expected {option} to be left out of a multiverse run, whose choices are "
                    f"declared beforehand, got {getattr(self, one.name)}: leave out {option}"
                    f"{instead} or --multiverse."
                )

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        found = super().config()
        for name in ("multiverse", "multiverse_faces"):
            found.pop(name)
        if self.multiverse:
            for name in self.not_in_multiverse:
                found.pop(name, None)
            found["limit"] = self.multiverse_faces
            found["multiverse"] = self.declared().described()
        return found
