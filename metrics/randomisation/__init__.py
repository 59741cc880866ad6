"""Randomisation: does an explanation change when what the model has learned is taken away?"""
