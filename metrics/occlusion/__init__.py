"""Occlusion: what a hidden part of the face costs, and what it does to the map."""
