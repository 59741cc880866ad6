"""Methods with a rule for each part of a network: guided backpropagation, DeepLift, LRP."""
