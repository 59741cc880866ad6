"""What all studies share: options, networks, digests, shards, manifests and progress."""
