"""Images: files and stacks to pixels, whole or piece by piece."""
