"""What attributions share: the registry, layers and tokens, traced networks, passes, resizing."""
