"""The pages and the papers' figures: functions of the saved JSON alone."""

from .bench_page import render_bench
from .figures import save_course, save_figures
from .page import render, render_study
from .showing import show

__all__ = ["render", "render_bench", "render_study", "save_course", "save_figures", "show"]
