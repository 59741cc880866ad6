"""The one place that calls a network in bulk: a predictor, and the private copy it works on."""
