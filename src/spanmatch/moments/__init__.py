"""Joint second moments of layers, from one pass over the data, and the pairs that they give."""
