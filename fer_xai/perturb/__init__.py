"""Changes of images: what is filled in where something is taken away, and how a face is moved."""
