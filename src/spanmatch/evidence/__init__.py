"""Evidence that the value of a measure is not due to chance.

It consists of null values, permutation tests, intervals, held-out rows, and the effective sample
size.
"""

from .held_out_distances import HeldOut, held_out
from .intervals import Interval, jackknife
from .measure_evidence import Evidence, MeasureEvidence, assess, measure_values
from .null_pairing import Null, null
from .permutation import PermutationTest, permutation_test
from .profile import ProfileEvidence, profile_evidence
from .sample_size import RowsNeeded, rows_needed
from .significance import Significance, significance

__all__ = [
    "Evidence",
    "HeldOut",
    "Interval",
    "MeasureEvidence",
    "Null",
    "PermutationTest",
    "ProfileEvidence",
    "RowsNeeded",
    "Significance",
    "assess",
    "held_out",
    "jackknife",
    "measure_values",
    "null",
    "permutation_test",
    "profile_evidence",
    "rows_needed",
    "significance",
]
