"""Speed as ratios: fer-xai against its peers and the bare forward pass, in one process."""
