"""Training of FER models: recipes, the loop's chores by Lightning, `python -m training.run`."""
