"""The parameters of the simulator: config.toml, typed."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CONFIG_FILE = Path(__file__).with_name("config.toml")


@dataclass(frozen=True)
class ViewerConfig:
    engagement_alpha: float
    engagement_beta: float
    taste_tags: int
    taste_concentration: float
    signup_alpha: float
    signup_beta: float


@dataclass(frozen=True)
class ChannelConfig:
    names: list[str]
    shares: list[float]
    hazard_ratios: list[float]


@dataclass(frozen=True)
class LeavingConfig:
    hazard_per_day: float
    log_ratio_per_sd: float


@dataclass(frozen=True)
class StartConfig:
    first_delay_days: float
    titles_per_day: float
    log_ratio_per_sd: float


@dataclass(frozen=True)
class TitleConfig:
    score_weight: float
    noise_weight: float
    rank_exponent: float
    rank_offset: float
    taste_share: float
    visible_share: float
    type_effects: dict[str, float]
    status_effects: dict[str, float]
    default_seconds: dict[str, int]


@dataclass(frozen=True)
class CompletionConfig:
    mean_logit: float
    per_sd_engagement: float
    per_sd_quality: float
    precision: float


@dataclass(frozen=True)
class ContinuationConfig:
    intercept: float
    episode_dips: list[float]
    per_sd_engagement: float
    per_sd_quality: float
    per_taste_match: float
    per_completion: float
    completion_centre: float
    weekend: float


@dataclass(frozen=True)
class GapConfig:
    binge_share: float
    pause_minimum_seconds: int
    pause_mean_seconds: float
    day_weights: list[float]


@dataclass(frozen=True)
class RhythmConfig:
    hours: list[float]
    weekdays: list[float]


@dataclass(frozen=True)
class DeviceConfig:
    names: list[str]
    shares: list[float]
    favourite_share: float


@dataclass(frozen=True)
class Config:
    """All parameters, a section of config.toml each; their meaning and units stand there."""

    viewers: ViewerConfig
    channels: ChannelConfig
    leaving: LeavingConfig
    starts: StartConfig
    titles: TitleConfig
    completion: CompletionConfig
    continuation: ContinuationConfig
    gaps: GapConfig
    rhythm: RhythmConfig
    devices: DeviceConfig


@cache
def load_config() -> Config:
    """Read config.toml; a key too many or too few is a TypeError that names it."""
    sections = tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))
    types = Config.__annotations__
    return Config(**{name: types[name](**values) for name, values in sections.items()})
