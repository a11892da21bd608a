"""Whether what a measure says is real: chance, intervals, held-out rows, enough rows, and what it means for the
network."""

from .assessment import Assessed, Assessment, assess
from .heldout import HeldOut, held_out
from .jackknife import Interval, jackknife
from .null import Null, null
from .outcomes import Difference, Outcome, Transplant
from .profile import ProfileEvidence, profile_evidence
from .rows import RowsNeeded, rows_needed
from .transplant import transplant
from .untrained import untrained_copy

__all__ = [
    "Assessed",
    "Assessment",
    "Difference",
    "HeldOut",
    "Interval",
    "Null",
    "Outcome",
    "ProfileEvidence",
    "RowsNeeded",
    "Transplant",
    "assess",
    "held_out",
    "jackknife",
    "null",
    "profile_evidence",
    "rows_needed",
    "transplant",
    "untrained_copy",
]
