"""The simulator's parameters, as `truth.effects` holds them: what the ceiling is worked out with."""

from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import special

from common.errors import UserError

ENGAGEMENT_NODES = 20
EFFECTS = "select effect, size from truth.effects where source = 'viewing'"
SCALARS = (
    "continue_intercept",
    "continue_engagement",
    "continue_quality",
    "continue_taste_match",
    "continue_completion",
    "continue_completion_centre",
    "continue_weekend",
    "completion_mean",
    "completion_engagement",
    "completion_quality",
    "completion_precision",
    "engagement_alpha",
    "engagement_beta",
    "taste_tags",
    "taste_concentration",
    "quality_visible",
    "quality_mean",
    "quality_spread",
    "match_mean",
    "leave_hazard",
    "leave_engagement",
    "start_titles",
    "start_engagement",
    "choice_taste",
    "gap_binge",
    "gap_pause_minimum",
    "gap_pause_mean",
)


class NoCeilingError(UserError):
    """Why there is no ceiling of this log: it wasn't simulated, or not as `truth.effects` says."""


@dataclass(frozen=True)
class Parameters:
    """What was planted.

    Attributes:
        size: effect -> its size, every one of `SCALARS`.
        dips: added to the logit after episodes 1, 2, ...
        gap_days: weights of 1, 2, ... days to the next episode.
        hours: weights of the hours (UTC).
        weekdays: weights of Monday to Sunday.
        hazard_ratios: acquisition channel -> ratio.
        tag_shares: tag -> share of the titles' weight that titles with the tag have.
    """

    size: dict[str, float]
    dips: NDArray[np.float64]
    gap_days: NDArray[np.float64]
    hours: NDArray[np.float64]
    weekdays: NDArray[np.float64]
    hazard_ratios: dict[str, float]
    tag_shares: dict[str, float]

    @property
    def on_logit(self) -> NDArray[np.float64]:
        """(3,) effects of engagement, quality and taste match on the logit of going on."""
        return np.array([self.size[f"continue_{name}"] for name in ("engagement", "quality", "taste_match")])

    @property
    def on_completion(self) -> NDArray[np.float64]:
        """(3,) and on that of mean completion."""
        return np.array([self.size["completion_engagement"], self.size["completion_quality"], 0.0])

    def engagement_prior(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Nodes (in standard deviations) and log weights of engagement's Beta prior, by Gauss-Jacobi
        quadrature: (`ENGAGEMENT_NODES`,) each."""
        alpha, beta = self.size["engagement_alpha"], self.size["engagement_beta"]
        roots, weights = special.roots_jacobi(ENGAGEMENT_NODES, beta - 1, alpha - 1)
        mean = alpha / (alpha + beta)
        spread = np.sqrt(mean * (1 - mean) / (alpha + beta + 1))
        return ((roots + 1) / 2 - mean) / spread, np.log(weights / weights.sum())

    def hazards(self, engagement: NDArray[np.float64], ratios: NDArray[np.float64]) -> NDArray[np.float64]:
        """(c,) channel ratios and (e,) engagements to (c, e) hazards of leaving, a day."""
        return np.outer(
            ratios, self.size["leave_hazard"] * np.exp(self.size["leave_engagement"] * engagement)
        )

    def start_rates(self, engagement: NDArray[np.float64]) -> NDArray[np.float64]:
        """Titles started a day of operational time, by engagement."""
        return self.size["start_titles"] * np.exp(self.size["start_engagement"] * engagement)


def read_parameters(connection: duckdb.DuckDBPyConnection) -> Parameters:
    """Read `truth.effects`.

    Raises:
        NoCeilingError: the log was not simulated, or by another version.
    """
    try:
        rows = connection.execute(EFFECTS).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        rows = []
    effects = dict(rows)
    if not effects:
        raise NoCeilingError(
            "the viewing log is not simulated, at least not by this version: nobody knows its true parameters"
        )
    hours = [f"rhythm_hour_{hour}" for hour in range(24)]
    weekdays = [f"rhythm_weekday_{day}" for day in range(1, 8)]
    missing = [name for name in (*SCALARS, *hours, *weekdays) if name not in effects]
    if missing:
        raise NoCeilingError(
            f"truth.effects has no {missing[0]}, another version simulated the log: run `python -m ingest "
            "simulate`"
        )
    return Parameters(
        size={name: effects[name] for name in SCALARS},
        dips=_numbered(effects, "continue_episode_"),
        gap_days=_numbered(effects, "gap_day_"),
        hours=np.array([effects[name] for name in hours]),
        weekdays=np.array([effects[name] for name in weekdays]),
        hazard_ratios=_named(effects, "leave_channel_"),
        tag_shares=_named(effects, "choice_tag_"),
    )


def _named(effects: dict[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): size for name, size in effects.items() if name.startswith(prefix)}


def _numbered(effects: dict[str, float], prefix: str) -> NDArray[np.float64]:
    named = _named(effects, prefix)
    return np.array([named[number] for number in sorted(named, key=int)])
