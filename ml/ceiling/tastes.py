"""Tastes as draws from their prior, which what a viewer chose then weighs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from ml.ceiling.parameters import Parameters

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Tastes:
    """d tastes, drawn once for all viewers, and t titles.

    Attributes:
        matches: (t, d) share of the taste that the title's tags cover.
        choices: (t, d) log of how much likelier than by chance the taste chooses the title.
    """

    matches: Singles
    choices: Singles

    def again(self) -> Singles:
        """(t,) how much likelier than others a viewer who chose a title is to draw it again."""
        ratios = np.exp(self.choices)
        return (ratios**2).mean(axis=1) / ratios.mean(axis=1)


def draw_tastes(parameters: Parameters, has_tag: NDArray[np.bool_], count_bits: int, seed: int) -> Tastes:
    """2 ** `count_bits` tastes of the Dirichlet prior, from a scrambled Sobol sequence (Owen 1998).

    With share s a choice is led by a tag g of the taste, and then has odds weight / (weight of g's titles).
    So of two tastes the likelihoods of a choice are as 1 - s + s * sum over the title's tags of
    taste_g / share_g: the title's own weight is in both.
    """
    tags, shares = int(parameters.size["taste_tags"]), np.array(list(parameters.tag_shares.values()))
    uniform = qmc.Sobol(tags, rng=np.random.default_rng(seed)).random_base2(count_bits)
    gammas = special.gammaincinv(parameters.size["taste_concentration"], np.clip(uniform, 1e-9, 1 - 1e-9))
    tastes = gammas / gammas.sum(axis=1, keepdims=True)
    led = parameters.size["choice_taste"]
    # A catalogue of few tags leaves some of the taste that lead to any title.
    anyhow = tastes[:, len(shares) :].sum(axis=1)
    tastes = tastes[:, : len(shares)]
    likelihoods = 1 - led + led * (has_tag @ (tastes / shares).T + anyhow)
    return Tastes(
        matches=(has_tag @ tastes.T).astype(np.float32), choices=np.log(likelihoods).astype(np.float32)
    )
