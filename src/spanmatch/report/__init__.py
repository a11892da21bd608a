"""The page and the papers' figures: functions of the saved JSON alone."""

from .figures import save_course, save_figures
from .page import render, render_study

__all__ = ["render", "render_study", "save_course", "save_figures"]
