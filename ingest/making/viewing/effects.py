"""truth.effects: what was planted, and how strongly."""

from ingest.making.viewing.config import Config
from ingest.making.viewing.titles import Titles

Effect = tuple[str, float, str, str]  # effect, size, unit, description


def planted_effects(config: Config, titles: Titles) -> list[Effect]:
    """Every planted effect with its true size."""
    return [
        *_continuation(config),
        *_completion(config),
        *_viewers(config),
        *_gaps_and_choices(config),
        *_traits(config, titles),
        *_rhythm(config),
        (
            "taste_order",
            float(len(titles.tags)),
            "tags",
            "order of truth.viewers.taste: " + ", ".join(titles.tags),
        ),
    ]


def _continuation(config: Config) -> list[Effect]:
    effects = config.continuation
    logit = "logit of going on to the next episode"
    return [
        (
            "continue_intercept",
            effects.intercept,
            logit,
            "at the reference of all effects below, from episode 4 on",
        ),
        *(
            (f"continue_episode_{number}", -dip, logit, f"after episode {number}, against later episodes")
            for number, dip in enumerate(effects.episode_dips, start=1)
        ),
        (
            "continue_engagement",
            effects.per_sd_engagement,
            f"{logit} per standard deviation",
            "viewer's engagement",
        ),
        (
            "continue_quality",
            effects.per_sd_quality,
            f"{logit} per unit of truth.titles.quality",
            "title's quality",
        ),
        (
            "continue_taste_match",
            effects.per_taste_match,
            f"{logit} per 1",
            "share of the viewer's taste that the title's tags cover, around its mean over choices",
        ),
        (
            "continue_completion",
            effects.per_completion,
            f"{logit} per 1",
            f"completion of this episode, around {effects.completion_centre}",
        ),
        (
            "continue_completion_centre",
            effects.completion_centre,
            "completion",
            "where the effect of completion is nil",
        ),
        ("continue_weekend", effects.weekend, logit, "episode watched on a Saturday or Sunday (UTC)"),
    ]


def _completion(config: Config) -> list[Effect]:
    effects = config.completion
    unit = "logit of mean completion"
    return [
        ("completion_mean", effects.mean_logit, unit, "at mean engagement and quality"),
        (
            "completion_engagement",
            effects.per_sd_engagement,
            f"{unit} per standard deviation",
            "viewer's engagement",
        ),
        ("completion_quality", effects.per_sd_quality, f"{unit} per unit of quality", "title's quality"),
        (
            "completion_precision",
            effects.precision,
            "alpha + beta",
            "of the Beta distribution of a completion",
        ),
    ]


def _viewers(config: Config) -> list[Effect]:
    leaving, starts, channels = config.leaving, config.starts, config.channels
    return [
        (
            "leave_hazard",
            leaving.hazard_per_day,
            "per day",
            "hazard of leaving at mean engagement, reference channel",
        ),
        (
            "leave_engagement",
            -leaving.log_ratio_per_sd,
            "log hazard ratio per standard deviation",
            "viewer's engagement",
        ),
        *(
            (f"leave_channel_{name}", ratio, "hazard ratio", f"viewers acquired by {name}")
            for name, ratio in zip(channels.names, channels.hazard_ratios, strict=True)
        ),
        (
            "start_titles",
            starts.titles_per_day,
            "titles started per day",
            "at mean engagement, after the first title",
        ),
        (
            "start_engagement",
            starts.log_ratio_per_sd,
            "log rate ratio per standard deviation",
            "viewer's engagement",
        ),
    ]


def _gaps_and_choices(config: Config) -> list[Effect]:
    return [
        ("gap_binge", config.gaps.binge_share, "share", "next episodes started minutes after the one before"),
        ("choice_taste", config.titles.taste_share, "share", "titles drawn by a tag of the viewer's taste"),
        ("quality_visible", config.titles.visible_share, "share of variance", "quality that the score shows"),
        (
            "device_favourite",
            config.devices.favourite_share,
            "share",
            "views that keep to the favourite device",
        ),
    ]


def _traits(config: Config, titles: Titles) -> list[Effect]:
    """How the latent traits are distributed: what is known of them before anything is watched."""
    viewers = config.viewers
    return [
        ("engagement_alpha", viewers.engagement_alpha, "", "alpha of the Beta distribution of engagement"),
        ("engagement_beta", viewers.engagement_beta, "", "beta of the Beta distribution of engagement"),
        (
            "taste_tags",
            viewers.taste_tags,
            "tags",
            "of a taste; where the catalogue has fewer, any title",
        ),
        ("taste_concentration", viewers.taste_concentration, "", "of the symmetric Dirichlet of tastes"),
        (
            "quality_mean",
            titles.quality_mean,
            "unstandardised",
            "what is taken off quality, as choices weigh it",
        ),
        ("quality_spread", titles.quality_spread, "unstandardised", "and what it is divided by then"),
        ("match_mean", titles.mean_match, "share of taste", "taste match expected of a choice"),
        *(
            (f"choice_tag_{tag}", float(share), "share of weight", f"titles tagged {tag}, among all titles")
            for tag, share in zip(titles.tags, titles.tag_shares[: len(titles.tags)], strict=True)
        ),
    ]


def _rhythm(config: Config) -> list[Effect]:
    """When things are watched."""
    gaps, rhythm = config.gaps, config.rhythm
    return [
        ("gap_pause_minimum", gaps.pause_minimum_seconds, "seconds", "shortest pause of a binge"),
        ("gap_pause_mean", gaps.pause_mean_seconds, "seconds", "mean of what a pause lasts beyond that"),
        *(
            (f"gap_day_{days}", weight, "weight", f"next episodes {days} days on, unless in a binge")
            for days, weight in enumerate(gaps.day_weights, start=1)
        ),
        *(
            (f"rhythm_hour_{hour}", weight, "weight", f"views started from {hour}:00 UTC")
            for hour, weight in enumerate(rhythm.hours)
        ),
        *(
            (f"rhythm_weekday_{day}", weight, "weight", f"views on weekday {day} (1 = Monday)")
            for day, weight in enumerate(rhythm.weekdays, start=1)
        ),
    ]
