"""Everything that is the same for all viewers of a log, made once and handed to every process."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from common.errors import UserError
from ingest.making.viewing.config import Config
from ingest.making.viewing.randomness import Keys, seed_key
from ingest.making.viewing.tables import (
    Calendar,
    EpisodeTables,
    Floats,
    ViewerTables,
    exponential_quantiles,
    hazard_levels,
    make_calendar,
    make_episode_tables,
    make_viewer_tables,
)
from ingest.making.viewing.titles import Titles, make_titles

USER_BITS = 27  # of an event id
MOST_VIEWERS = (1 << USER_BITS) - 1
MOST_DAYS = 7_300  # instants are 32-bit seconds, with room for gaps beyond the end


@dataclass(frozen=True)
class SimulationOptions:
    """What to simulate: how many viewers, for how many days from which midnight (UTC), with which seed."""

    viewers: int = 5_000
    days: int = 180
    seed: int = 42
    start_date: date = date(2025, 1, 1)


@dataclass(frozen=True)
class World:
    config: Config
    calendar: Calendar
    titles: Titles
    viewer_tables: ViewerTables
    episode_tables: EpisodeTables
    exponential: Floats
    hazards: Floats  # a day, by level
    seed_key: Keys
    viewers: int

    @property
    def taste_list(self) -> int:
        """Number of the choice list that holds all titles."""
        return self.config.viewers.taste_tags


def make_world(catalogue: pl.DataFrame, options: SimulationOptions, config: Config) -> World:
    """Check the options and prepare all tables.

    Raises:
        UserError: an option is out of range, or the catalogue has nothing to watch.
    """
    _check(options)
    return World(
        config=config,
        calendar=make_calendar(config.rhythm, options.start_date, options.days),
        titles=make_titles(catalogue, config),
        viewer_tables=make_viewer_tables(config),
        episode_tables=make_episode_tables(config),
        exponential=exponential_quantiles(),
        hazards=hazard_levels(),
        seed_key=seed_key(options.seed),
        viewers=options.viewers,
    )


def _check(options: SimulationOptions) -> None:
    if not 1 <= options.viewers <= MOST_VIEWERS:
        raise UserError(f"can't simulate {options.viewers:,} viewers: give 1 to {MOST_VIEWERS:,}")
    if not 1 <= options.days <= MOST_DAYS:
        raise UserError(f"can't simulate {options.days:,} days: give 1 to {MOST_DAYS:,}")
    if options.start_date.year + options.days / 365 > 9_990:
        raise UserError(f"can't simulate from {options.start_date}: the log would end after the year 9999")
