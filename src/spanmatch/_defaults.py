"""Defaults that the command line states before it imports what they are for."""

EPS = (0.15, 0.2, 0.25, 0.3, 0.5)
"""Values of eps in tables: those of Wang et al. (2018)."""
EVIDENCE_UP_TO = 1024
"""Neurons of two layers together up to which evidence is computed if nothing is said."""
