"""How alike the examples are that the null pairing pairs: those of one batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .backends import DeviceArray, Engine
from .spans import UNIT

Array = NDArray[np.float64]
SHARED = 0.01
"""What examples of one batch may share of their variance."""
DEVIATIONS = 8
"""Standard deviations of what shuffled examples share, if that is more."""


@dataclass(frozen=True)
class PartnerSimilarity:
    """How alike the examples are that the null may pair: those of one batch.

    Notes
    -----
    With t_e the mean over the rows of example e, less the mean of all n examples, and batches B of
    m examples,

        similarity = sum over B of sum over e != f in B of t_e . t_f / (m - 1),   over sum of |t_e|^2:

    the share of the examples' variance that an example has in common with another one of its batch,
    as the intraclass correlation. Means over rows, because rows at one position are alike whichever
    examples they are of.
    """

    similarity: float
    """nan if the examples do not vary."""
    limit: float
    """The most that shuffled examples would give."""

    @property
    def alike(self) -> bool:
        """Whether the examples of one batch are more alike than shuffled ones would be."""
        return self.similarity > self.limit

    @classmethod
    def of(cls, sums: Array) -> PartnerSimilarity:
        """Return it from [sum t_e, sum |t_e|^2, sum over batches, n, sum over B of 2 m / (m - 1)].

        Of exchangeable examples that vary in one direction the similarity has this variance, the
        last sum over n^2, whatever they are distributed as; in more directions it has less.
        """
        total, (square, shared, n, variance) = sums[:-4], sums[-4:]
        common = float(total @ total) / n if n else 0.0
        spread = square - common
        if not spread > n * UNIT * common:
            return cls(float("nan"), SHARED)
        return cls((shared - common) / spread, max(SHARED, DEVIATIONS * float(np.sqrt(variance)) / n))


class ExampleMeans:
    """The sum over the examples of a batch of their lifted means, from pieces of the batch."""

    def __init__(self, engine: Engine, neurons: int) -> None:
        self.engine, self.total = engine, engine.zeros(neurons + 1)
        self.part, self.rows_of_part = engine.zeros(neurons + 1), 0

    def add(self, rows: DeviceArray, lengths: NDArray[np.intp]) -> None:
        """Add the lifted rows of examples of these lengths, or a part of the rows of one."""
        if len(lengths) > 1 or rows.shape[0] == lengths[0]:
            self.engine.add_sum(self.total, self.engine.means(rows, lengths))
            return
        self.engine.add_sum(self.part, rows)
        self.rows_of_part += rows.shape[0]
        if self.rows_of_part == lengths[0]:
            mean = self.part[:-1] / int(lengths[0])
            self.total[:-1] += mean
            self.total[-1] += mean @ mean
            self.part, self.rows_of_part = self.part * 0, 0

    def add_to(self, partners: DeviceArray, m: int) -> None:
        """Add how alike the batch's m examples are to the sums of `PartnerSimilarity.of`."""
        total = self.total
        partners[:-3] += total
        partners[-3] += (total[:-1] @ total[:-1] - total[-1]) / (m - 1)
        partners[-2] += m
        partners[-1] += 2 * m / (m - 1)
