"""How likely a completion is, by its mean."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.ceiling.log import COMPLETION_PARTS
from ml.ceiling.parameters import Parameters

# Means are tabulated on the logit scale, so far around that of mean traits and so far apart.
LEVEL_REACH, LEVEL_STEP = 3.0, 0.125
LEVELS = np.arange(-LEVEL_REACH, LEVEL_REACH + LEVEL_STEP / 2, LEVEL_STEP)


def completion_table(parameters: Parameters) -> NDArray[np.float64]:
    """Log-likelihood of a completion, (levels, thousandths): Beta, rounded to thousandths."""
    precision = parameters.size["completion_precision"]
    means = special.expit(parameters.size["completion_mean"] + LEVELS)[:, None]
    edges = np.clip((np.arange(COMPLETION_PARTS + 2) - 0.5) / COMPLETION_PARTS, 0, 1)
    below = special.betainc(means * precision, (1 - means) * precision, edges)
    above = special.betaincc(means * precision, (1 - means) * precision, edges)
    # Near 1 only the difference of the upper tails is exact.
    chances = np.where(edges[1:] < 0.5, np.diff(below, axis=1), -np.diff(above, axis=1))
    return np.log(np.maximum(chances, 1e-300))
