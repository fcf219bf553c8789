"""What is predicted: one entry a task. Adding a task is adding an entry and its feature mart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One prediction task over one feature mart.

    Every feature mart has, by its contract, the columns `as_of` (timestamp), `label` (boolean, null while
    it can't be known) and `split` ('train', 'validation', 'test', 'embargo' or 'open').

    Attributes:
        name: what `ml.*` rows of this task carry in `task`.
        source: what has to be loaded for there to be rows, as the manifest of loads names it.
        feature_model: schema and table of the feature mart, one row a prediction unit.
        key: column that identifies a row; as text it is `entity_id` in `ml.scores`.
        cluster: column whose values are resampled as a whole for intervals: rows of one user are alike.
        numeric: numeric and boolean features; may be null.
        categorical: text features with few values; may be null.
        baseline_feature: the baseline predicts the training rate at each value of this one of `numeric`.
        oracle_query: selects the key and `probability`, the true one, for tasks on simulated rows. Only
            evaluation sees it.
    """

    name: str
    source: str
    feature_model: str
    key: str
    cluster: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    baseline_feature: str
    oracle_query: str | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """All feature names, in the order of the matrix's columns."""
        return self.numeric + self.categorical


NEXT_EPISODE = Task(
    name="next_episode",
    source="viewing",
    feature_model="marts.feat_next_episode",
    key="event_id",
    cluster="user_id",
    numeric=(
        "episode_number",
        "episodes_total",
        "episodes_remaining",
        "episode_share",
        "episode_seconds",
        "hour_of_day",
        "is_weekend",
        "completion",
        "user_views_count",
        "user_titles_count",
        "user_known_outcomes_count",
        "user_known_continued_count",
        "user_continuation_rate",
        "user_mean_completion",
        "user_days_since_sign_up",
        "user_hours_since_previous_view",
        "run_views_count",
        "run_mean_completion",
        "run_hours_since_previous_view",
        "title_views_count",
        "title_known_outcomes_count",
        "title_continuation_rate",
        "title_score",
        "taste_match",
    ),
    categorical=("device", "acquisition_channel", "anime_type"),
    baseline_feature="episode_number",
    oracle_query="select event_id, p_continue as probability from truth.episode_choices",
)

TASKS = (NEXT_EPISODE,)
