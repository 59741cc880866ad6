"""Does the quality of explanations transfer to other data, and does it tell of errors?"""
