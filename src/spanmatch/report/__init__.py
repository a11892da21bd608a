"""The page: one self-contained HTML file, drawn from a comparison's JSON and nothing else."""

from .page import render

__all__ = ["render"]
