"""The observable ceiling of `next_episode`: what the simulator's parameters make of the log, and no more.

Method, checks and limits: docs/ceiling.md.
"""

from ml.ceiling.estimate import ceiling_probabilities
from ml.ceiling.parameters import NoCeilingError

__all__ = ["NoCeilingError", "ceiling_probabilities"]
