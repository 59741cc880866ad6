"""Landmarks: facial regions, the canonical face, and registration to it."""

from fer_xai.landmarks.regions import REGIONS, face_regions
from fer_xai.landmarks.registration import Registration, register
from fer_xai.landmarks.template import FRAME, canonical_landmarks

__all__ = [
    "FRAME",
    "REGIONS",
    "Registration",
    "canonical_landmarks",
    "face_regions",
    "register",
]
