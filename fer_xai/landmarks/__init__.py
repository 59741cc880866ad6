"""Landmarks: facial regions and areas, action units, the canonical face, and registration to it."""

from fer_xai.landmarks.action_units import EDITIONS, UNIT_AREAS, UNITS, au_maps, soften
from fer_xai.landmarks.areas import AREAS, face_areas
from fer_xai.landmarks.codebooks import (
    BELHARBI,
    BELHARBI_CODE,
    CODEBOOKS,
    EMFACS,
    emotion_areas,
    load_codebook,
    units_without_map,
)
from fer_xai.landmarks.points import check_landmarks
from fer_xai.landmarks.regions import REGIONS, face_regions
from fer_xai.landmarks.registration import Registration, register
from fer_xai.landmarks.template import FRAME, MIRROR, canonical_landmarks

__all__ = [
    "AREAS",
    "BELHARBI",
    "BELHARBI_CODE",
    "CODEBOOKS",
    "EDITIONS",
    "EMFACS",
    "FRAME",
    "MIRROR",
    "REGIONS",
    "UNITS",
    "UNIT_AREAS",
    "Registration",
    "au_maps",
    "canonical_landmarks",
    "check_landmarks",
    "emotion_areas",
    "face_areas",
    "face_regions",
    "load_codebook",
    "register",
    "soften",
    "units_without_map",
]
