"""The observable ceiling of `next_episode`: the best probability that the log allows, by the simulator's parameters.

Method, checks and limits: docs/ceiling.md.
"""

from ml.ceiling.estimate import ceiling_probabilities

__all__ = ["ceiling_probabilities"]
