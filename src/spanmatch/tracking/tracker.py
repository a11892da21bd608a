"""`Tracker`: the similarity of every layer of a network in training to a reference."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .._display import Displayed
from .._plotting import MARKS, axes_for, depth_colours, depth_legend, label, whole_ticks
from .._values import data_frame
from ..activations import runs
from ..activations.checkpoints import Checkpoint
from ..activations.from_networks import BatchGroup, cut, runner_of
from ..activations.layouts import Channels, Layout, Pool, Units
from ..activations.outputs import BatchActivations, examples_in
from ..activations.patterns import Patterns, patterns_of
from ..activations.tokens import inputs_of_runners
from ..errors import BadArgument, SpanmatchError, SpanmatchWarning, among, missing_extra
from ..match import maximum_match
from ..match.maximum import checked_eps
from ..moments.memory_limit import limit_in_bytes
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.provenance import Method, network_and_layer
from ..moments.samples import ExampleOutputs
from ..similarity import Measure, check_similarity
from ..similarity import measures as all_measures
from . import callbacks
from .recordings import CURRENT, REFERENCE, Recording, recording_of_stored
from .results import LayerSimilarity, TrackedStep
from .training_state import training_state_kept

if TYPE_CHECKING:
    import pandas as pd
    from lightning.pytorch import Callback
    from matplotlib.axes import Axes
    from torch import nn
    from transformers import TrainerCallback

    from ..activations.layouts import Array
    from ..activations.outputs import Batch, Network
    from ..activations.stored import ActivationSource

Function = Callable[[Pair], tuple[float, tuple[str, ...]]]
"""Gives a value for a pair of layers, and reasons not to rely on it."""
Log = Callable[[dict[str, float], int], object]
MEASURES = ("cka", "debiased cka", "procrustes")
"""The names of the measures that are computed by default."""
EPS = (0.5,)
"""Values of eps of the match similarity, by default."""
FOLDS = 8
"""Folds of the moments, where a measure needs some: those of the population do."""
SAMPLE = 1000
"""The number of examples to sample for measures that need a sample."""
LAYERS_LISTED = 8
"""Names of layers that a warning lists."""


class Tracker(Displayed):
    """The similarity of every layer of a network in training to a reference, on the same probe.

    Parameters
    ----------
    network : torch.nn.Module or (model, tokenizer)
        The network that is trained. Wrappers (DataParallel, torch.compile) are left out.
    probe_batches : iterable
        A few batches of what the network is called with, as `capture` takes them; labels are left
        out. They are read once, now, and kept.
    layers : str, sequence of str or mapping, optional
        Names or shell patterns of layers, as in `capture`; a mapping has the keys "current" and
        "reference". By default the network's default layers.
    against : {"first", "previous"}, network, or stored activations
        The reference. "first": the network at the first step. "previous": the network at the step
        before. Another network, which is run once, now. Or its activations on the probe: a file, a
        folder, or {layer: array}, with the examples in the order of the probe.
    measures : sequence of str
        Names of `measures`.
    eps : sequence of float
        Values of eps at which to compute the match similarity s(eps), in [0, 1); none for wide
        layers, where it takes the most time.
    units, positions, seed, channels, pool, input
        How batches become inputs and outputs become rows, as in `capture`.
    method : {"gram", "qr", "single"}
        How moments are accumulated, as in `Moments`.
    max_memory_gb : float, optional
        The most memory that the reference's activations may take, in GB, and the most that the
        moments of a step may take; by default half of the machine's.
    log : callable, optional
        Called after each step as ``log({"similarity/MEASURE/LAYER": value, ...}, step)``.

    Raises
    ------
    SpanmatchError
        If the network is no PyTorch network, the probe is empty, a pattern matches nothing, there
        is no such measure, or the reference cannot be used: `Moments` cannot, because joint moments
        need the rows of both sides.

    See Also
    --------
    compare : everything about two networks that are not being trained.

    Notes
    -----
    A step has the numbers of ``compare({"reference": ..., "current": ...}, probe_batches)`` for
    copies of the networks at these steps. The network runs in evaluation mode, without gradients and
    without autocast. Training flags of all modules, buffers and attributes, gradients, hooks, and
    the states of the random number generators of Python, NumPy and PyTorch are afterwards as they
    were, also if the network fails.

    Memory: the reference's rows, 4 bytes x rows x neurons in float32, in main memory (`nbytes`);
    with "previous" twice that during a step. Cost of a step: one forward pass over the probe, and
    the moments, measures and matches of each layer.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> tracker = sm.Tracker(network, torch.randn(200, 4))
    >>> round(tracker.step(0).layers["1"].values["cka"], 6)  # compared with itself
    1.0
    """

    def __init__(
        self,
        network: Network,
        probe_batches: Iterable[Batch],
        *,
        layers: Patterns = None,
        against: Literal["first", "previous"] | Network | ActivationSource = "first",
        measures: Sequence[str] = MEASURES,
        eps: Sequence[float] = EPS,
        units: Units = "channel",
        positions: int | None = None,
        seed: int = 0,
        channels: Channels = "auto",
        pool: Pool = None,
        input: str | None = None,  # noqa: A002
        method: Method = "gram",
        max_memory_gb: float | None = None,
        log: Log | None = None,
    ) -> None:
        self._network, self._module = network, _module_of(network)
        chosen = _chosen_measures(measures)
        self._functions = {measure.name: _function_of_measure(measure) for measure in chosen} | _functions_of_eps(eps)
        self._folds = 1 if all(measure.estimator == "in sample" for measure in chosen) else FOLDS
        self._sample = SAMPLE if any(measure.needs == "sample" for measure in chosen) else 0
        if not self._functions:
            raise BadArgument("measures and eps: give at least one of them")
        self._layers, self._input = layers, input
        self._layout = Layout(units, positions, seed, channels, pool)
        self._method, self._max_memory_gb, self._log = method, max_memory_gb, log
        self._limit = limit_in_bytes(max_memory_gb)
        self._steps: list[TrackedStep] = []
        self._against, self._reference_name = _against(against)
        self._reference: Recording | None = None
        self._is_compared = False
        self._read_probe(probe_batches, against)

    @property
    def steps(self) -> tuple[TrackedStep, ...]:
        """The results of all steps so far."""
        return tuple(self._steps)

    @property
    def nbytes(self) -> int:
        """The bytes that the reference's activations take."""
        return 0 if self._reference is None else self._reference.nbytes

    def step(self, epoch: int) -> TrackedStep:
        """Compare every layer with the reference, now.

        Parameters
        ----------
        epoch : int
            The number that this step has in results: an epoch, or whatever the training loop
            counts.

        Returns
        -------
        TrackedStep
            With no layers at the first step if the reference is the step before.

        Raises
        ------
        SpanmatchError
            With the training state and the reference as they were, if the network fails, an output
            is not finite, or rows do not correspond to those of the reference.

        Warns
        -----
        SpanmatchWarning
            At the first comparison, if only one side has some of the layers.
        """
        is_first = self._reference is None
        name = f"step {epoch}" if is_first and self._against == "first" else self._reference_name
        recording, similarities = self._run()
        result = TrackedStep(epoch, name if similarities else "", similarities)
        if recording is not None:
            self._reference, self._reference_name = recording, f"step {epoch}"
        self._steps.append(result)
        if self._log is not None and similarities:
            self._log(result.to_log(), epoch)
        return result

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row for each step and layer.

        Returns
        -------
        pandas.DataFrame
            Columns step, reference, layer, rows, one for each measure and eps, and warnings.

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        columns = ["step", "reference", "layer", "rows", *self._functions, "warnings"]
        return data_frame("tracker.to_frame", self._records(), columns=columns)

    def _records(self) -> list[dict[str, object]]:
        return [dict(row) for step in self._steps for row in step.to_rows()]

    def plot(self, measure: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the similarity of each layer over the steps, from light to dark by depth.

        Parameters
        ----------
        measure : str, optional
            The name of a measure, or "s(0.5)"; by default the first measure.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If the measure is not tracked, no step has been compared, or matplotlib is not
            installed.
        """
        name = next(iter(self._functions)) if measure is None else measure
        if name not in self._functions:
            raise BadArgument(f"measure {name!r} is not tracked{among(name, self._functions)}")
        layers = list(dict.fromkeys(layer for step in self._steps for layer in step.layers))
        if not layers:
            raise SpanmatchError("nothing to plot: no step has been compared with the reference yet")
        ax = axes_for("tracker.plot", ax)
        colours = depth_colours(len(layers))
        for k, (layer, colour) in enumerate(zip(layers, colours, strict=True)):
            compared = [step for step in self._steps if layer in step.layers]
            values = [step.layers[layer].values[name] for step in compared]
            mark = MARKS[k % len(MARKS)]
            ax.plot([step.step for step in compared], values, label=layer, color=colour, marker=mark, markersize=4)
        references = {step.reference for step in self._steps if step.layers}
        reference = references.pop() if len(references) == 1 else "the step before"
        label(ax, "step", name, f"similarity to {reference}")
        whole_ticks(ax, "x")
        depth_legend(ax, layers)
        return ax

    def lightning_callback(self) -> Callback:
        """Return a callback of Lightning that tracks before the first epoch and after every epoch.

        Returns
        -------
        lightning.pytorch.Callback
            Of `pytorch_lightning`, if that has been imported. It calls `step` with the number of
            epochs that are done, in the first process.

        Raises
        ------
        SpanmatchError
            If Lightning is not installed.
        """
        return callbacks.lightning_callback(self.step)

    def transformers_callback(self) -> TrainerCallback:
        """Return a callback of transformers' Trainer that tracks before the first epoch and after
        every epoch.

        Returns
        -------
        transformers.TrainerCallback
            It calls `step` with the number of epochs that are done, in the first process.

        Raises
        ------
        SpanmatchError
            If transformers is not installed.
        """
        return callbacks.transformers_callback(self.step)

    def _summary(self) -> str:
        return (
            f": {len(self._steps)} steps, {sum(map(len, self._ids)):,} examples, compared with "
            f"{self._reference_name}, whose activations take {self.nbytes / 1e6:.3g} MB"
        )

    def _read_probe(self, probe_batches: Iterable[Batch], against: object) -> None:
        """Read the batches, find what the network is called with for each, and run a reference that is a network."""
        reference_module = _module_if_any(against)
        modules = [self._module] if reference_module is None else [self._module, reference_module]
        with training_state_kept(*modules), contextlib.ExitStack() as stack:
            batches = list(cut(probe_batches))
            if not batches:
                raise SpanmatchError("probe_batches: no batches; give at least one")
            ends = np.cumsum([examples_in(batch) for batch in batches]).tolist()
            self._ids = [np.arange(start, end) for start, end in zip([0, *ends], ends, strict=False)]
            runners = [stack.enter_context(runner_of(CURRENT, self._network, self._patterns(CURRENT), self._input, {}))]
            if self._against == "network":
                patterns = self._patterns(REFERENCE)
                runners.append(stack.enter_context(runner_of(REFERENCE, against, patterns, self._input, {})))
            is_of_tokens = self._layout.pool is None
            inputs = [inputs_of_runners(batch, runners, rows_are_tokens=is_of_tokens) for batch in batches]
            self._inputs = [batch_inputs[0] for batch_inputs in inputs]
            if self._against == "network":
                self._reference = self._new_recording()
                for (_, batch), ids in zip(inputs, self._ids, strict=True):
                    activations = BatchActivations(ids, self._layout)
                    runners[1].run(batch, activations)
                    self._reference.record(activations)
        if self._against == "stored":
            patterns = self._patterns(REFERENCE)
            self._reference = recording_of_stored(against, self._ids, self._layout, patterns, self._limit)

    def _patterns(self, side: str) -> Sequence[str] | None:
        """Return the patterns of layers of one side."""
        return patterns_of(self._layers, side)

    def _new_recording(self) -> Recording:
        """Return a recording of no batches."""
        return Recording(sum(map(len, self._ids)), self._limit)

    def _run(self) -> tuple[Recording | None, dict[str, LayerSimilarity]]:
        """Run the network over the probe; return its rows, if it becomes the reference, and its similarities."""
        recording = self._new_recording() if self._reference is None or self._against == "previous" else None
        reference = self._reference or (recording if self._against == "first" else None)
        moments = Moments(
            null=False,
            folds=self._folds,
            method=self._method,
            sample=self._sample,
            max_memory_gb=self._max_memory_gb,
        )
        group = _QuietGroup(Checkpoint(None, 0, moments, None))
        with (
            training_state_kept(self._module),
            runner_of(CURRENT, self._network, self._patterns(CURRENT), self._input, {}) as runner,
        ):
            for k, (inputs, ids) in enumerate(zip(self._inputs, self._ids, strict=True)):
                activations = BatchActivations(ids, self._layout)
                runner.run(inputs, activations)
                if recording is not None:
                    recording.record(activations)
                if reference is not None:
                    self._warn_of_layers_left_out(reference, activations)
                    reference.batches[k].put_beside(activations)
                    group.add(activations)
            group.flush()
        return recording, self._similarities(moments)

    def _warn_of_layers_left_out(self, reference: Recording, activations: BatchActivations) -> None:
        """Warn, once, of the layers that only one side has."""
        if self._is_compared:
            return
        self._is_compared = True
        current = [network_and_layer(name)[1] for name in activations.rows]
        alone = [f"{REFERENCE}:{layer}" for layer in reference.layers if layer not in current]
        alone += [f"{CURRENT}:{layer}" for layer in current if layer not in reference.layers]
        if alone and len(alone) < len(current) + len(reference.layers):
            listed = ", ".join(alone[:LAYERS_LISTED]) + (", ..." if len(alone) > LAYERS_LISTED else "")
            message = f"{len(alone)} layers are not compared, because only one side has them: {listed}"
            warnings.warn(message, SpanmatchWarning, stacklevel=4)

    def _similarities(self, moments: Moments) -> dict[str, LayerSimilarity]:
        """Return the similarity of every layer, by its name."""
        layers = [network_and_layer(x)[1] for x, _ in moments.pairs]
        return {
            layer: self._similarity(layer, moments.pair(f"{REFERENCE}:{layer}", f"{CURRENT}:{layer}"))
            for layer in layers
        }

    def _similarity(self, layer: str, pair: Pair) -> LayerSimilarity:
        """Return the similarity of a layer; what is not defined is nan, with its reason."""
        values: dict[str, float] = dict.fromkeys(self._functions, float("nan"))
        said: list[str] = []
        for name, function in self._functions.items():
            try:
                values[name], said_of_value = function(pair)
            except SpanmatchError as error:
                said.append(str(error))
            else:
                said += said_of_value
        return LayerSimilarity(layer, pair.rows, values, tuple(dict.fromkeys(said)))


class _QuietGroup(BatchGroup):
    """Batches put together, without a check of the first batch at each step: results carry their warnings."""

    def update_moments(
        self, rows: Mapping[str, Array], row_ids: Mapping[str, NDArray[np.int64]], outputs: ExampleOutputs
    ) -> None:
        """Add joined rows to the moments."""
        self.moments._add_batch(rows, row_ids, outputs)


def _chosen_measures(names: Sequence[str]) -> list[Measure]:
    """Return similarities by their names.  Raises BadArgument if there is no such, or one is a distance."""
    known = {measure.name: measure for measure in all_measures()}
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name not in known:
            raise BadArgument(f"measure {name!r}: no such measure{among(name, known)}")
        check_similarity(known[name])
    return [known[name] for name in names]


def _function_of_measure(measure: Measure) -> Function:
    """Return a function that gives a measure's value."""

    def value(pair: Pair) -> tuple[float, tuple[str, ...]]:
        measured = measure(pair)
        return measured.value, measured.warnings

    return value


def _functions_of_eps(values: Sequence[float]) -> dict[str, Function]:
    """Return functions that give s(eps), by its name."""
    return {f"s({eps:g})": _function_of_eps(eps) for eps in checked_eps(list(values)).tolist()}


def _function_of_eps(eps: float) -> Function:
    """Return a function that gives s(eps), from the maximum match, which takes less than a profile."""

    def value(pair: Pair) -> tuple[float, tuple[str, ...]]:
        match = maximum_match(pair, eps)
        return match.similarity, match.warnings

    return value


def _module_of(network: object) -> nn.Module:
    """Return the module of a network in training.  Raises SpanmatchError if it is of another kind."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", "sm.Tracker") from error
    module = _module_if_any(network)
    if module is None:
        raise BadArgument(
            f"network: {type(network).__name__}; give the torch.nn.Module that is trained, or (model, tokenizer)"
        )
    return module


def _module_if_any(network: object) -> nn.Module | None:
    """Return the PyTorch module that a network is, or that stands before its tokenizer."""
    from torch import nn

    module = network[0] if isinstance(network, tuple) and network else network
    return module if isinstance(module, nn.Module) else None


def _against(against: object) -> tuple[Literal["first", "previous", "network", "stored"], str]:
    """Return the kind of a reference, and what it is called.  Raises BadArgument for moments."""
    if isinstance(against, Moments):
        raise BadArgument(
            "against: moments hold sums over rows, and joint moments with the network would need the rows themselves; "
            "give the network that they are of, or its activations on the probe as {layer: array} or a path"
        )
    if isinstance(against, str) and against == "first":
        return "first", "the first step"
    if isinstance(against, str) and against == "previous":
        return "previous", "the step before"
    return ("network", "the reference network") if runs(against) else ("stored", "stored activations")
