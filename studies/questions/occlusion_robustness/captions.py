"""Captions of the tables and figures of the study of occlusion."""

from __future__ import annotations

from studies.questions.occlusion_robustness.covers import DRAWS, FILL
from studies.questions.occlusion_robustness.families import LEAST_CHANGED
from studies.reporting.frames import RULE

_FAMILY = (
    "Intervals: simultaneous 95 % over {}, max-T by 9,999 sign flips of units and as many "
    "bootstrap samples, of which a claim takes both; by betting on a "
    f"bounded mean where fewer than {LEAST_CHANGED} units differ from 0"
)
_COUNTED = (
    "Intervals: simultaneous 95 % over {}, by betting on a bounded mean (Waudby-Smith & Ramdas, "
    "JRSS B 2024), Bonferroni; p: Holm"
)
_WILSON = "Bounds of an accuracy: Wilson's, 95 %, each by itself."

CAPTIONS = {
    "occluders": f"The endpoint. Accuracy in percent with each occluder in its own size, {FILL}; "
    f"patch: with a random square patch that hides as much of the same face, mean over {DRAWS} "
    "draws; lost: points of accuracy lost to the clean face; beyond a patch: points that the "
    "occluder costs more than the patch. face hidden: percent of the face. "
    + _COUNTED.format("the occluders of a model")
    + ", one family for each of both columns.",
    "codebook": "Does it cost an emotion more to lose where EMFACS shows it? gain: mean cost "
    "(probability of the explained emotion) over the face's regions, weighted by the share of each "
    "that the codebook gives that emotion, less the mean of the same weights of the other "
    "emotions that have a region in sight; above 0: the right codebook tells better than wrong "
    "ones what is costly. all: mean of the emotions' means, each emotion equally, without an "
    "interval. " + _FAMILY.format("the emotions") + ".",
    "drift": "How alike the map stays outside of what is hidden (Pearson), mean over the eleven "
    f"occluders in {FILL}, for the emotion explained of the clean face: over all faces, and over "
    "occluders that leave the prediction as it was, or change it, each with its number of faces. "
    "undefined: percent of covered faces whose likeness is undefined, since a map is constant "
    "outside of what is hidden; these are in no mean. Floor: likeness with the clean maps of other "
    "persons' faces for which the same emotion is explained, without an interval. random patch: "
    "the same for patches of the same areas; beyond a patch: by face and occluder, where both are "
    "defined. A method that ignores the image scores 1. "
    + _FAMILY.format("the methods of a network")
    + ".",
    "mass": "Share of the map's positive mass on the occluder, before and after it is there, "
    "beside its share of the image (area); moved: after less before; onto a patch: the same for "
    "random patches of the same areas; beyond a patch: by face and occluder, where both are "
    "defined. undefined: percent of covered faces with a map that is nowhere positive; these are "
    "in no mean. Maps that ignore the image (centre, noise) move by 0. "
    + _FAMILY.format("the methods of a network")
    + ".",
    "guided": "Cells of a 14×14 grid are hidden in the order of a map, scattered at random, from "
    "the centre outwards, or by a random map of Grad-CAM's resolution, whose cells hang together. "
    "lost: points of accuracy, mean over 10 to 90 % of the cells; beyond …: points that a map's "
    "order costs more than a chance order, paired by face. "
    + _COUNTED.format("the methods of a model")
    + ", one family for each chance order.",
    "recognition": "Accuracy, macro recall (emotions weigh equally) and recall by emotion in "
    "percent, with each occluder in its own size; sunglasses, mask and hand as they are drawn, all "
    f"else in {FILL}. calibration error: expected calibration error, 15 bins, which is above 0 by "
    "chance in few faces; overconfidence: mean confidence less accuracy.",
    "regions": "Probability of the explained emotion that is lost with each of the eight regions "
    f"of the image, in {FILL}; patch: with a random patch that hides as much of the face, mean "
    f"over {DRAWS} draws. image: percent of the image. "
    + _FAMILY.format("the regions of a model")
    + ", one family for each of both columns.",
    "regions_by_emotion": "The matrix, by row: probability of the explained emotion that is lost "
    "with each region, and beyond a patch of its area. codebook: percent of the region where "
    "EMFACS shows the emotion. " + _COUNTED.format("all cells of a model on the face") + ".",
    "becomes": "Which emotion becomes which: of the faces that are named so as they are, percent "
    "that are named each emotion with the occluder (own size; sunglasses, mask and hand as drawn).",
    "areas": f"Accuracy with each occluder grown or shrunk to four shares of the face, in {FILL}, "
    f"and with random patches of that share (mean over {DRAWS} draws; other columns: the first). "
    + _WILSON
    + " "
    + _COUNTED.format("the occluders at one area of a model")
    + ".",
    "fills": "The endpoint's comparison in other fills; patches have the occluder's fill, but for "
    f"drawn occluders, whose patches are {FILL}. "
    + _COUNTED.format("the occluders in one fill of a model")
    + ".",
    "grid": "Accuracy when a share of the grid's cells is hidden, by the order in which they are "
    f"hidden, in {FILL}. " + _WILSON,
    "maps_by_occluder": "Likeness of the map outside of what is hidden, and mass that moves onto "
    "it, by occluder and for random patches of the same area. undefined: percent of faces. Means "
    "over faces, without intervals.",
    "landmarks": "Faces without landmarks by emotion: no occluder can be fitted to them, and they "
    "are left out of everything else. share: percent. Accuracy: of the clean faces with and "
    "without landmarks.",
    "lists": "Accuracy on the clean faces of each list, by its kinds of occlusion where it names "
    "them, and on the faces that are not on it. 95 %: Wilson's, each by itself. The lists were "
    "chosen by eye, and differ from the rest in emotion and resolution too.",
    "figure of occluders": "The endpoint: points of accuracy that each occluder costs beyond a "
    "random patch of its area. " + _COUNTED.format("the occluders of a model") + ".",
    "figure of regions_by_emotion": "What each emotion loses with each region, in probability of "
    "the explained emotion; below each emotion the number of faces. The codebook is "
    f"EMFACS. {RULE} Off the face no patch lies.",
    "figure of areas": "Accuracy over the share of the face that is hidden. Dashed: random patches "
    "of the same area. Bands: Wilson's 95 % intervals, each point by itself.",
    "figure of becomes": "Of the faces that are named so as they are (rows), percent that are "
    "named each emotion with a surgical mask and with sunglasses.",
    "figure of grid": "Accuracy over the share of cells that are hidden, in the order of each map, "
    "and in chance orders. Bands, of random cells and of the first method alone: "
    "Wilson's 95 % intervals, each point by itself.",
    "figure of drift": "Likeness of the map before and after, outside of what is hidden, mean over "
    "faces and occluders; a method that ignores the image would score 1.",
    "figure of faces": "Built-in faces as they are and with sunglasses, mask and hand; beneath, "
    "what the network names; beside, the map of the emotion that it names for the clean face, "
    "scaled by its own largest value.",
}
"""Captions by the table's name, and by ``figure of`` and the figure's."""
