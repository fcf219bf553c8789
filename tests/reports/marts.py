"""A warehouse that holds nothing but the `rpt_` tables, as dbt declares them, with rows made by hand."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

MARKUP = """<img src=x onerror="alert(1)"></script><script>alert(2)</script>'"&amp;"""
RIGHT_TO_LEFT = "هجوم العمالقة (2013)"
EMOJI = "Zombie 🧟‍♀️ Land 日本語"
HUGE = "Endless" * 1430
LINES = "line\u2028separator\u2029here"
NASTY = (MARKUP, RIGHT_TO_LEFT, EMOJI, HUGE, LINES)

# Model: its columns, as DuckDB types.
COLUMNS = {
    "rpt_sources": (
        "sort_order int, source text, origin text, origin_label text, file_name text, licence text, "
        "rows_read bigint, rows_loaded bigint, rows_rejected bigint, rows_duplicate bigint, loaded_at "
        "timestamp"
    ),
    "rpt_headline_figures": (
        "figure_order int, figure text, source text, value double, unit text, denominator bigint, "
        "ci_low double, ci_high double, note text"
    ),
    "rpt_retention_curve": (
        "source text, period_index int, members_count bigint, active_count bigint, retention_rate double, "
        "retention_rate_low double, retention_rate_high double, followed_up_count bigint, "
        "on_or_after_rate double, on_or_after_rate_low double, on_or_after_rate_high double"
    ),
    "rpt_survival": (
        "source text, curve text, segment_name text, time int, at_risk_count bigint, survival double, "
        "survival_low double, survival_high double"
    ),
    "rpt_active_users": (
        "source text, activity_date date, measure_order int, measure text, users_count bigint"
    ),
    "rpt_activity_frequency": (
        "source text, window_end_date date, active_days_count int, users_count bigint, users_total bigint, "
        "user_share double, user_share_low double, user_share_high double, is_latest boolean"
    ),
    "rpt_user_churn": (
        "source text, as_of_date date, users_count bigint, at_risk_count bigint, churn_rate double, "
        "churn_rate_low double, churn_rate_high double, is_recent boolean"
    ),
    "rpt_retention_by_episode": (
        "episode_number int, at_risk_count bigint, continued_count bigint, stopped_count bigint, "
        "censored_count bigint, continuation_rate double, continuation_rate_low double, "
        "continuation_rate_high double, survival double, survival_low double, survival_high double"
    ),
    "rpt_binge_length": (
        "binge_length int, binge_length_label text, runs_count bigint, run_share double, run_share_low "
        "double, run_share_high double, runs_total bigint"
    ),
    "rpt_top_titles": (
        "title_rank int, anime_id text, title text, anime_type text, episodes_total int, viewers_count "
        "bigint, views_count bigint, finished_count bigint, finishable_count bigint, finished_rate "
        "double, finished_rate_low double, finished_rate_high double, median_depth double"
    ),
    "rpt_title_retention": (
        "title_rank int, anime_id text, title text, episode_number int, at_risk_count bigint, "
        "continued_count bigint, survival double, survival_low double, survival_high double"
    ),
    "rpt_playtime_histogram": (
        "bin_order int, bin_label text, hours_from double, hours_to double, players_count bigint, "
        "player_share double, players_total bigint"
    ),
    "rpt_engagement_tiers": (
        "engagement_tier int, tier_label text, players_count bigint, hours_min double, hours_median "
        "double, hours_max double, games_played_mean double, games_owned_mean double, "
        "proxy_churned_count bigint, proxy_churn_rate double"
    ),
    "rpt_model_metrics": (
        "run_id text, task text, estimator text, estimator_order int, split text, metric text, "
        "metric_label text, metric_order int, value double, ci_low double, ci_high double, oracle_value "
        "double, minus_oracle double, minus_oracle_low double, minus_oracle_high double, verdict text"
    ),
    "rpt_feature_importance": (
        "run_id text, task text, feature text, importance_rank int, importance_mean double, "
        "importance_low double, importance_high double"
    ),
    "rpt_calibration": (
        "run_id text, task text, estimator_label text, bin_order int, mean_probability double, "
        "observed_rate double, observed_rate_low double, observed_rate_high double, rows_count bigint"
    ),
    "rpt_score_distribution": (
        "run_id text, task text, bin_order int, probability_from double, probability_to double, outcome "
        "text, rows_count bigint"
    ),
    "rpt_model_runs": (
        "run_id text, task text, estimator text, trained_at timestamp, train_rows_count bigint, "
        "test_rows_count bigint, train_from timestamp, train_to timestamp, test_from timestamp, test_to "
        "timestamp, train_seconds double"
    ),
    "rpt_truth_recovery": (
        "source text, quantity text, segment text, step text, step_order int, trials_count bigint, "
        "true_value double, estimate double, estimate_low double, estimate_high double, "
        "is_same_quantity boolean"
    ),
    "rpt_truth_coverage": (
        "source text, quantity text, comparison text, estimates_count bigint, covered_count bigint, "
        "covered_share double, mean_absolute_error double"
    ),
}

RUN, TASK = "run-1", "next_episode"


def make(path: Path, rows: dict[str, list[tuple[Any, ...]]], without: str = "") -> Path:
    """A warehouse at `path` with these rows a model; the models not named are empty, `without` is missing."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        for model, columns in COLUMNS.items():
            if model == without:
                continue
            connection.execute(f"create table marts.{model} ({columns})")
            for row in rows.get(model, []):
                marks = ", ".join("?" * len(row))
                connection.execute(f"insert into marts.{model} values ({marks})", row)
    return path


def full() -> dict[str, list[tuple[Any, ...]]]:
    """Rows for every model, with titles that try to break out of the page, and windows still open."""
    return _viewing() | _over_time() | _titles() | _steam() | _model() | _truth()


def _around(value: float, width: float = 0.02) -> tuple[float, float, float]:
    return value, value - width, value + width


def _viewing() -> dict[str, list[tuple[Any, ...]]]:
    at = "2025-03-01 12:00:00"
    retention: list[tuple[Any, ...]] = [
        (number, 50_000 // number, 900, 90, 10, *_around(0.8 - 0.1 / number), *_around(0.9 / number**0.5))
        for number in range(1, 27)
    ]
    open_window = (27, 40, 0, 0, 40, None, None, None, None, None, None)
    return {
        "rpt_sources": [
            (1, "anime", "real", "as published", "anime.jsonl.zst", "ODbL", 39_277, 39_270, 5, 2, at),
            (2, "viewing", "simulated", "made by this project", None, None, 250_000, 250_000, 0, 0, at),
            (3, "steam", "stand-in", "no real file given", MARKUP, "none", 200_000, 200_000, 0, 0, at),
            (4, "web_shop_events", "real", "as published", "shop.csv", None, 9, 9, 0, 0, at),
        ],
        "rpt_headline_figures": [
            (1, "Views", "viewing", 251_734, "count", None, None, None, None),
            (
                2,
                "Continuation rate",
                "viewing",
                0.7345,
                "rate",
                240_000,
                0.731,
                0.738,
                "open windows left out",
            ),
            (3, "Median depth", "viewing", 4, "episodes", 30_000, None, None, None),
            (4, "Finished last week", "viewing", None, "rate", None, None, None, "window still open"),
            (
                5,
                "Median playtime",
                "steam",
                12.34,
                "hours",
                11_350,
                None,
                None,
                "of players with any playtime",
            ),
        ],
        "rpt_retention_by_episode": [*retention, open_window],
        "rpt_binge_length": [
            (n, f"{n}" if n < 8 else "8 or more", 9_000 // n, *_around(0.4 / n, 0.01), 20_000)
            for n in range(1, 9)
        ],
    }


def _over_time() -> dict[str, list[tuple[Any, ...]]]:
    """Two sources, one of them with a name that tries to break out of the page."""
    sources, days = ("viewing", MARKUP), [date(2025, 3, 1) + timedelta(days=n) for n in range(28)]
    measures = ((1, "DAU", 10), (2, "WAU", 50), (3, "MAU", None))
    return {
        "rpt_retention_curve": [
            (source, n, 900 - n, 300, *_around(0.3 / n**0.5), 870 - n, *_around(0.6 / n**0.5))
            for source in sources
            for n in range(1, 29)
        ],
        "rpt_survival": [
            (source, "time_to_churn", segment, n, 900 - n, *_around(0.95**n))
            for source in sources
            for segment in ("all", "channel")
            for n in range(28)
        ],
        "rpt_active_users": [
            (source, day, order, measure, users)
            for source in sources
            for order, measure, users in measures
            for day in days
        ],
        "rpt_activity_frequency": [
            (source, days[-1 if is_latest else 0], n, 30 // n, 100, *_around(0.3 / n, 0.01), is_latest)
            for source in sources
            for is_latest in (True, False)
            for n in range(1, 29)
        ],
        "rpt_user_churn": [
            (source, day, 500, 500, *_around(0.2), is_recent)
            for source in sources
            for day, is_recent in ((days[0], False), (days[7], True), (days[14], True))
        ]
        + [("viewing", days[21], 500, None, None, None, None, True)],
    }


def _titles() -> dict[str, list[tuple[Any, ...]]]:
    titles = [*NASTY, "Same name", "Same name", "Ghost Story"]
    return {
        "rpt_top_titles": [
            (rank, f"mal:{rank}", title, "TV", 24, 900 - rank, 9_000, 300, 800, *_around(0.375), 7.5)
            for rank, title in enumerate(titles, start=1)
        ],
        "rpt_title_retention": [
            (
                rank,
                f"mal:{rank}",
                title,
                number,
                900 // number,
                300,
                *_around(0.95 ** (number * rank / 3), 0.03),
            )
            for rank, title in enumerate(titles, start=1)
            for number in range(1, 25)
        ],
    }


def _steam() -> dict[str, list[tuple[Any, ...]]]:
    return {
        "rpt_playtime_histogram": [
            (n, f"{2**n}-{2 ** (n + 1)} h", 2.0**n, 2.0 ** (n + 1) if n < 11 else None, 1_000, 1 / 12, 12_000)
            for n in range(12)
        ],
        "rpt_engagement_tiers": [
            (n, f"{n}: tier", 2_400, 6.0**n / 10, 6.0**n / 4, 6.0 ** (n + 1) / 10, n * 1.5, n * 2.5, 0, 0.0)
            for n in range(1, 6)
        ],
    }


def _model() -> dict[str, list[tuple[Any, ...]]]:
    estimators = (("baseline", 0.09), ("logistic", 0.03), ("boosting", 0.02), ("oracle", 0.0))
    metrics = (("roc_auc", "ROC AUC", 1, 0.88), ("log_loss", "Log loss", 2, 0.36), ("ece", "Error", 3, 0.01))
    trained_and_tested = ("2024-01-01", "2024-10-01", "2024-10-01", "2025-02-01")
    return {
        "rpt_model_metrics": [
            (RUN, TASK, name, order, "test", *metric, *_around(best - far), best, *_around(-far), "possible")
            for *metric, best in metrics
            for order, (name, far) in enumerate(estimators)
        ],
        "rpt_feature_importance": [
            (RUN, TASK, f"feature_{n}_of_the_view", n, *_around(0.2 / n, 0.01)) for n in range(1, 13)
        ],
        "rpt_calibration": [
            (RUN, TASK, name, n, n / 10 + 0.05, *_around(n / 10 + 0.04 + shift), 500)
            for name, shift in (("boosting", 0.02), ("logistic", -0.03))
            for n in range(10)
        ],
        "rpt_score_distribution": [
            (RUN, TASK, n, n / 20, (n + 1) / 20, outcome, n * size)
            for n in range(20)
            for outcome, size in (("continued", 90), ("stopped", 30), ("not yet known", 9))
        ],
        "rpt_model_runs": [
            (RUN, TASK, "boosting", "2025-03-01", 90_000, 40_000, *trained_and_tested, 12.3),
        ],
    }


def _truth() -> dict[str, list[tuple[Any, ...]]]:
    quantities = (("viewing", "continuation", True), ("viewing", "survival", False))
    quantities = (*quantities, ("clickstream", "transition", True))
    return {
        "rpt_truth_recovery": [
            (source, quantity, "all", MARKUP, n, 500, n / 10, *_around(n / 10 + 0.01), is_same)
            for source, quantity, is_same in quantities
            for n in range(1, 10)
        ],
        "rpt_truth_coverage": [
            (source, quantity, "the same quantity" if is_same else "another quantity", 9, 8, 8 / 9, 0.01)
            for source, quantity, is_same in quantities
        ],
    }
