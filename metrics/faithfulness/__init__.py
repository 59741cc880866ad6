"""Faithfulness: does the score change as the map says when parts of the face are taken away?"""
