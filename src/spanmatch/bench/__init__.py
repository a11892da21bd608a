"""Benchmarks of measures: how well each does in tests with known answers.  PyTorch is loaded when one is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._files import Path_
from ..study.result import needs_torch
from .result import Bench

if TYPE_CHECKING:
    from .candidates import Given

__all__ = ["Bench", "run_bench"]


def run_bench(
    measures: Sequence[Given] | None = None,
    *,
    tests: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    data: Path_ | None = None,
    out: Path_ | None = None,
    quick: bool = False,
    workers: int | None = None,
) -> Bench:
    """Test measures where the answer is known: which layers correspond, which networks are alike, and more.

    Networks are trained once (minutes), then each measure is applied to thousands of pairs of their
    layers. What is computed is kept in the folder of the results: a run that was stopped is continued,
    and one more measure costs only its own time.

    Parameters
    ----------
    measures : sequence of str, Measure or callable, optional
        Measures of your own, which are tested beside all others: functions of a `Pair`, of all rows, or
        of two arrays (examples, neurons), the sampled rows, that return a number, larger for more
        similar layers. Distances are given as `sm.Measure(name, function, frozenset(), kind="distance")`,
        a function of a file as "file.py:function". Names of measures, as `sm.measures()` has them or
        "s(0.3)", choose among them: then only these are tested, with yours.
    tests : sequence of str, optional
        Names of tests: "same layer", "order of depth", "random labels", "augmentation", "shortcut",
        "accuracy", "predictions", "probabilities", "deleted components", "probe accuracy" and
        "decodability". By default all.
    networks : sequence of str, optional
        Names of sets of networks: "digits-mlp", "digits-cnn", "digits-cnn-flattened",
        "digits-random-labels", "digits-augmentation", "digits-shortcut", "text", "text-random-labels",
        and with `data` "images-cnn" and "images-cnn-flattened". By default all.
    data : path, optional
        A folder or an archive of images, one folder for each class, to train further networks on.
    out : path, optional
        The folder of the results, of trained networks, and of what is kept; by default "spanmatch-bench",
        of a quick run "spanmatch-bench-quick". The tables and the page are those of the last run.
    quick : bool, default False
        Take few networks, on digits alone, and few examples: to try the command, or a measure.
    workers : int, optional
        How many processes train and compute at once, by default as many as there are cores.

    Returns
    -------
    Bench
        The results, which are also in the folder: bench.json, ranking.csv, scores.csv, report.html.

    Raises
    ------
    BadArgument
        If there is no measure, test or set of networks of a name, or a measure is not a function of a pair
        or of two arrays, fails on random layers, or cannot be sent to other processes.
    SpanmatchError
        If data are missing, or the results cannot be written. Finished work is kept.

    See Also
    --------
    measures : the measures and what they are invariant to.

    Notes
    -----
    The error of each score is the delete-one jackknife's over networks, of groups over seeds; the
    difference of two measures is significant if its own interval at 95% excludes 0, each for itself. A
    measure that is defined for fewer than 90% of the pairs of layers of a test has no score there, and
    the last rank. What a measure of your own gives is kept if all that it uses is known: its code,
    constants, and functions that it calls. The tests, and what is found: docs/bench.md. Processes
    import the calling script: in a script, call this function under `if __name__ == "__main__":`.

    References
    ----------
    Klabunde, M., et al. (2025). ReSi: a comprehensive benchmark for representational similarity
    measures. ICLR. Ding, F., Denain, J.-S., and Steinhardt, J. (2021). Grounding representation
    similarity through statistical testing. NeurIPS. Kornblith, S., et al. (2019). Similarity of neural
    network representations revisited. ICML. Cloos, N., et al. (2025). Differentiable optimization of
    similarity scores between models and brains. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> def same_mean(x, y):
    ...     return -np.linalg.norm(x.mean(0)[:3] - y.mean(0)[:3])
    >>> bench = sm.run_bench([same_mean], quick=True)  # doctest: +SKIP
    >>> bench.to_frame()  # doctest: +SKIP
    """
    needs_torch()
    from .running import run

    return run(measures, tests, networks, data, out or f"spanmatch-bench{'-quick' if quick else ''}", quick, workers)
