"""The page of the consistency study's multiverse run, and its plan in words."""

from __future__ import annotations

from collections.abc import Mapping

from fer_xai.command import terminal
from studies.multiverse.factors import Plan
from studies.reporting.formatting import counted

LABEL = "excess AUC over untrained networks"
"""Name of a specification's effect."""
METHOD = (
    "The same faces stand behind every specification. With the declared choices the excess is the "
    "ordinary study's primary endpoint on these faces.",
    "Intervals are over faces (or persons) and untrained networks, as those of the primary "
    "endpoint. An emotion with fewer than five maps is left out of a comparison; the column "
    "emotions counts those that are left at the target with the fewest.",
    "Each combination is judged by the p-value of its own excess. The ordinary study corrects it "
    "over the models of a run (Holm), so that with several models it asks for more.",
)
CAVEAT = (
    "With each face's own or predicted target, maps differ by their target before they differ by "
    "the face, in untrained networks too: such an excess says less than one at fixed targets."
)


def say_plans(plans: Mapping[str, Plan], *, faces: int, networks: int) -> None:
    """Print how many specifications there are of each model; nothing is computed.

    Parameters
    ----------
    plans
        Plan of each trained network.
    faces
        Number of faces.
    networks
        Number of trained and untrained networks.

    Examples
    --------
    >>> plan = Plan(specifications=(), combinations=9, possible=6, left_out={"no layer": 3})
    >>> say_plans({"tiny": plan}, faces=20, networks=5)
    20 faces, maps of 5 networks
      tiny: 0 specifications, 0 of them sampled from 6 different combinations of 9
    Nothing was run.
    """
    console = terminal()
    console.print(f"{faces} faces, maps of {networks} networks")
    for model, plan in plans.items():
        console.print(
            f"  {model}: {counted(len(plan.specifications), 'specification')}, {plan.n_sampled} of "
            f"them sampled from {plan.possible} different combinations of {plan.combinations}",
            soft_wrap=True,
        )
    console.print("Nothing was run.")
