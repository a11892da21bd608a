"""The inputs that excite each neuron most, kept beside the moments and like them additive.

An example's activation is the largest of its rows (of a convolution's positions, of a text's
tokens), so that each of a neuron's top inputs is another example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._display import Displayed
from .._plotting import axes_for, label, without_frame
from ..errors import SpanmatchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class TopInputs(Displayed):
    """For each neuron the examples of its largest activations, largest first.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> moments = sm.Moments(top=2)
    >>> moments.update({"a:fc": np.arange(10.0)[:, None], "b:fc": np.ones((10, 1))})
    >>> moments.top("a:fc").values.tolist(), moments.top("a:fc").examples.tolist()
    ([[9.0, 8.0]], [[9, 8]])
    """

    values: Array
    """(p, k) activations; -inf where there are fewer than k examples."""
    examples: Whole
    """(p, k) numbers of the examples; -1 where there are fewer."""
    places: Whole
    """(p, k) which row of its example it is, counted from 0."""

    @classmethod
    def none(cls, neurons: int, k: int) -> TopInputs:
        """Return the top inputs over no data."""
        empty = np.full((neurons, k), -1)
        return cls(np.full((neurons, k), -np.inf), empty, empty.copy())

    def plot(self, ax: Axes | None = None, *, neuron: int, images: ArrayLike) -> Axes:
        """Draw the inputs of a neuron's largest activations side by side, the largest at the left.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        neuron : int
            Its index.
        images : array_like of shape (examples, height, width) or (examples, height, width, 3)
            All examples, by their numbers.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If there is no such neuron, no inputs were kept, or matplotlib is not installed.
        """
        if not 0 <= neuron < len(self.examples):
            raise SpanmatchError(f"neuron {neuron}: there are {len(self.examples)}, from 0")
        chosen = self.examples[neuron][self.examples[neuron] >= 0]
        if not len(chosen):
            raise SpanmatchError(f"neuron {neuron}: no inputs were kept; use top=9 in sm.compare or sm.Moments")
        ax = axes_for("top_inputs.plot", ax)
        shown = np.asarray(images)[chosen]
        gap = 1 + shown.shape[2] // 12
        padding = [(0, 0), (0, 0), (0, gap), *([(0, 0)] * (shown.ndim - 3))]
        padded = np.pad(shown, padding, constant_values=shown.max(initial=0))
        ax.imshow(np.concatenate(list(padded), axis=1)[:, :-gap], cmap="Greys_r", interpolation="nearest")
        width = shown.shape[2] + gap
        ax.set(xticks=[k * width + (width - gap) / 2 - 0.5 for k in range(len(chosen))], yticks=[])
        ax.set_xticklabels([f"{value:.2g}" for value in self.values[neuron][: len(chosen)]])
        without_frame(ax)
        label(ax, "activation", f"neuron {neuron}")
        return ax

    def __add__(self, other: TopInputs) -> TopInputs:
        """Return the top inputs over both parts of the data, of as many neurons and inputs."""
        if self.values.shape != other.values.shape:
            raise SpanmatchError(
                f"top inputs of {self.values.shape} and {other.values.shape} (neurons, how many) cannot be added"
            )
        # An example that is in both parts counts once, with the larger activation.
        same = (self.examples[:, :, None] == other.examples[:, None, :]) & (self.examples[:, :, None] >= 0)
        less = self.values[:, :, None] < other.values[:, None, :]
        values = np.hstack([self.values, other.values])
        values[np.hstack([(same & less).any(axis=2), (same & ~less).any(axis=1)])] = -np.inf
        examples, places = (
            np.hstack([getattr(part, name) for part in (self, other)]) for name in ("examples", "places")
        )
        # Of equal activations the example that comes first counts as the larger, whichever part it is in.
        order = np.lexsort((examples, -values), axis=1)[:, : self.values.shape[1]]
        values, examples, places = (np.take_along_axis(a, order, axis=1) for a in (values, examples, places))
        gone = np.isneginf(values)
        return TopInputs(values, np.where(gone, -1, examples), np.where(gone, -1, places))


def top_of(maxima: Array, places: Whole, examples: Whole, k: int) -> TopInputs:
    """Return the top inputs of one batch.

    `maxima` (m, p) are the largest activation of each example, `places` (m, p) its row, `examples`
    (m,) the examples' numbers, ascending, and `k` how many to keep.
    """
    order = np.argsort(-maxima, axis=0, kind="stable")[:k].T
    top = TopInputs.none(maxima.shape[1], k)
    count = order.shape[1]
    top.values[:, :count] = np.take_along_axis(maxima.T, order, axis=1)
    top.places[:, :count] = np.take_along_axis(places.T, order, axis=1)
    top.examples[:, :count] = examples[order]
    return top
