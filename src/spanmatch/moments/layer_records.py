"""What is known of one layer beside its sums."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .folds import Plan
from .number_types import NUMBER_TYPES, coarsest
from .top_inputs import TopInputs

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """What is known of one layer beside its sums; never changed, but replaced."""

    shift: Array
    """(p,) the mean of the first rows, about which the layer is summed."""
    rows: Counts
    """(folds,) rows seen."""
    examples: Counts
    """(folds,) examples seen; one that comes in several batches counts in each."""
    null_rows: int
    """Rows with a partner of another example for the null."""
    dtype: str
    """The coarsest number type in which activations came."""
    edges: Array | None
    """(p, bins - 1) edges of the histograms' bins, if rows are counted."""
    top: TopInputs | None
    """The inputs that excite each neuron most, if they are kept."""

    @classmethod
    def of_no_rows(cls, shift: Array, folds: int, edges: Array | None, top: int) -> LayerRecord:
        """Return the record before the first batch; `top` inputs will be kept for each neuron."""
        none = np.zeros(folds, dtype=np.int64)
        top_inputs = TopInputs.none(len(shift), top) if top else None
        return cls(shift, none, none, 0, NUMBER_TYPES[0], edges, top_inputs)

    @property
    def neurons(self) -> int:
        """The width of the layer."""
        return len(self.shift)

    def with_batch(self, plan: Plan, dtype: str, null: bool, top: TopInputs | None) -> LayerRecord:
        """Return the record with the rows of one more batch."""
        paired = len(plan.examples) if null and plan.partner is not None else 0
        batch = LayerRecord(self.shift, plan.rows_per_fold, plan.examples_per_fold, paired, dtype, self.edges, top)
        return self.with_rows_of(batch)

    def with_rows_of(self, other: LayerRecord) -> LayerRecord:
        """Return the record of both sets of rows, about this one's shift and with its edges."""
        top = self.top + other.top if self.top is not None and other.top is not None else None
        return replace(
            self,
            rows=self.rows + other.rows,
            examples=self.examples + other.examples,
            null_rows=self.null_rows + other.null_rows,
            dtype=coarsest(self.dtype, other.dtype),
            top=top,
        )
