"""Consistency: do maps of faces that show one emotion resemble each other?"""
