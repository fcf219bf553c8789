"""What is predicted: one entry a task. Adding a task is adding an entry and its feature mart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# Of each estimator, the parameters that differ from those in ml/pipelines.py.
Candidates = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Splitter:
    """One way to part the rows of a mart, as a column of it says.

    Attributes:
        column: holds 'train', 'validation', 'test', 'embargo' or 'open'.
        by: what keeps the parts apart. 'time': training labels were known before the test begins. 'user': no
            user is on two sides. 'history': of each user, the last rows are the test; others' later rows are
            trained on.
    """

    name: str
    by: Literal["time", "user", "history"]
    column: str = "split"


BY_TIME = Splitter("time", by="time")
BY_USER = Splitter("user", by="user")


@dataclass(frozen=True)
class Trait:
    """A value of a column of `dim_users`, and the columns to hold fixed when its effect is estimated."""

    name: str
    value: str
    covariates: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One prediction task over one feature mart.

    Every feature mart has, by its contract, the columns `as_of` (timestamp; null only in a log without
    times), `label_known_at` (timestamp; null likewise, and while the label can't be known), a boolean label,
    null while it can't be known, and one column a splitter.

    Attributes:
        name: what `ml.*` rows of this task carry in `task`.
        source: what has to be loaded for there to be rows; None where the mart's column `source` says it row
            by row, and each source gets a model of its own: pooled, telling sources apart passes for skill.
        feature_model: schema and table of the feature mart, one row a prediction unit.
        key: column that identifies a row; as text it is `entity_id` in `ml.scores`.
        cluster: column of the user: resampled as a whole for intervals, since rows of one user are alike.
        numeric: numeric and boolean features; may be null.
        categorical: text features with few values; may be null.
        baseline_feature: the baseline predicts the training rate in bands of this one of `numeric`.
        candidates: the estimators that are tried; the one with the lowest log loss on validation is kept.
        label: column of the label.
        label_kind: 'outcome' is what happened; 'proxy' stands in where the log can't tell; 'circular' is
            made of the task's own features, kept to show what that looks like.
        splitters: each gives a model and figures of its own; scoring uses the first one's.
        slices: name -> SQL over the mart, of what a row's group is; evaluated one by one.
        groups: name -> prefix of the features that are one thing spread over columns: explained as one.
        growing: features that grow with the log by their nature: that they drift is no finding.
        minimum_rows: labelled training rows below which nothing is learnt.
        oracle_query: selects the key and `probability`, the true one, for tasks on simulated rows. Only
            evaluation sees it.
        has_ceiling: whether `ml.ceiling` knows the best that the log allows.
        has_outlooks: whether BG/NBD, of active days, stands beside the estimators.
        has_transfers: whether models of its sources are tried on one another.
        trait: a trait of users whose effect on the label is estimated, where the source has it.
    """

    name: str
    source: str | None
    feature_model: str
    key: str
    cluster: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    baseline_feature: str
    candidates: Candidates
    label: str = "label"
    label_kind: Literal["outcome", "proxy", "circular"] = "outcome"
    splitters: tuple[Splitter, ...] = (BY_TIME,)
    slices: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    growing: tuple[str, ...] = ()
    minimum_rows: int = 200
    oracle_query: str | None = None
    has_ceiling: bool = False
    has_outlooks: bool = False
    has_transfers: bool = False
    trait: Trait | None = None

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
        "completion",
        "is_weekend",
        "title_score",
        "title_effect",
        "title_mean_log_unwatched",
        "run_mean_completion",
        "user_effect",
        "user_log_unwatched_effect",
        "user_views_per_title",
        "user_log_start_rate",
        "taste_match",
    ),
    categorical=(),
    baseline_feature="episode_number",
    candidates={"logistic": {}, "boosting": {}},
    slices={
        "episode": "case when episode_number < 4 then cast(episode_number as varchar) else '4 or later' end",
        "device": "device",
        "channel": "acquisition_channel",
        "cohort": "strftime(as_of - to_days(cast(user_days_since_sign_up as integer)), '%Y-%m')",
        "activity": "case when user_views_count < 10 then 'under 10 views' "
        "when user_views_count < 50 then '10 to 49 views' else '50 views or more' end",
    },
    oracle_query="select event_id, p_continue as probability from truth.episode_choices",
    has_ceiling=True,
)

USER_CHURN = Task(
    name="user_churn",
    source=None,
    feature_model="marts.feat_user_churn",
    key="user_as_of_id",
    cluster="user_key",
    numeric=(
        "days_since_last_active",
        "active_days_7_count",
        "active_days_28_count",
        "active_days_trend",
        "events_7_count",
        "events_28_count",
        "events_per_active_day",
        "sessions_28_count",
        "items_28_count",
        "active_days_count",
        "recency_days",
        "tenure_days",
        "mean_gap_days",
        "longest_gap_days",
        "silence_per_mean_gap",
    ),
    categorical=("device", "channel"),
    baseline_feature="days_since_last_active",
    candidates={"logistic": {}, "boosting": {}},
    slices={
        "device": "device",
        "channel": "channel",
        "tenure": "case when tenure_days < 28 then 'under 28 days' "
        "when tenure_days < 84 then '28 to 83 days' else '84 days or more' end",
        "activity": "case when active_days_28_count = 1 then '1 active day of 28' "
        "when active_days_28_count < 5 then '2 to 4 active days' else '5 active days or more' end",
        "date": "as_of_date",
    },
    growing=("tenure_days", "active_days_count", "recency_days", "mean_gap_days", "longest_gap_days"),
    has_outlooks=True,
    has_transfers=True,
)

# The games are in two halves: features are of what a player did in one, the label of what they did in the
# other.
PLAYER_CHURN = Task(
    name="player_churn",
    source="steam",
    feature_model="marts.feat_player_churn",
    key="player_id",
    cluster="player_id",
    numeric=(
        "games_owned_count",
        "games_played_count",
        "games_never_played_count",
        "games_never_played_share",
        "total_hours",
        "top_game_hours",
        "hours_per_played_game",
        "hours_concentration",
        "mean_game_play_rate",
        "mean_log_game_owners",
        "top_game_owners_count",
        "mean_game_log_hours",
        "play_effect",
        "hours_effect",
    ),
    categorical=(),
    baseline_feature="games_never_played_share",
    candidates={
        "logistic": {"C": 0.02},
        "boosting": {},
        "forest": {"n_estimators": 300, "min_samples_leaf": 20},
    },
    label_kind="proxy",
    splitters=(BY_USER,),
    slices={
        "library": "case when games_owned_count = 0 then 'no game' "
        "when games_owned_count < 4 then '1 to 3 games' else '4 games or more' end",
        "has_played": "case when games_played_count > 0 then 'has played' else 'has not played' end",
    },
)

# As the source of the Steam files has been used: the label is a threshold on the first of the features.
PLAYER_CHURN_CIRCULAR = Task(
    name="player_churn_circular",
    source="steam",
    feature_model="marts.feat_player_churn",
    key="player_id",
    cluster="player_id",
    numeric=(
        "library_total_hours",
        "library_games_played_count",
        "library_games_owned_count",
        "library_games_never_played_count",
        "library_top_game_hours",
        "library_hours_per_played_game",
    ),
    categorical=(),
    baseline_feature="library_games_played_count",
    candidates={"forest": {}},
    label="proxy_label",
    label_kind="circular",
    splitters=(BY_USER,),
)

GAME_PLAY = Task(
    name="game_play",
    source="steam",
    feature_model="marts.feat_game_play",
    key="purchase_id",
    cluster="player_id",
    numeric=(
        "game_owners_count",
        "game_play_rate",
        "game_typical_hours",
        "others_owned_count",
        "others_play_rate",
        "others_play_effect",
        "others_hours_effect",
        "library_mean_play_rate",
        "library_mean_log_owners",
    ),
    categorical=(),
    baseline_feature="game_play_rate",
    candidates={"logistic": {}, "boosting": {"learning_rate": 0.06, "max_leaf_nodes": 12}},
    splitters=(BY_USER,),
    slices={
        "library": "case when others_owned_count = 0 then 'its only game' when others_owned_count < 10 "
        "then '1 to 9 other games' else '10 other games or more' end",
        "popularity": "case when game_owners_count < 50 then 'under 50 owners' when game_owners_count < 500 "
        "then '50 to 499 owners' else '500 owners or more' end",
    },
)

GENRES = (
    "action",
    "adventure",
    "animation",
    "children",
    "comedy",
    "crime",
    "documentary",
    "drama",
    "fantasy",
    "film_noir",
    "horror",
    "imax",
    "musical",
    "mystery",
    "romance",
    "sci_fi",
    "thriller",
    "war",
    "western",
    "none",
)

RATING_ENGAGEMENT = Task(
    name="rating_engagement",
    source="movielens",
    feature_model="marts.feat_rating_engagement",
    key="rating_id",
    cluster="user_id",
    numeric=(
        "expected_rating",
        "user_ratings_count",
        "user_mean_rating",
        "user_engaged_rate",
        "user_rating_spread",
        "user_bias",
        "user_residual",
        "user_recent_bias",
        "sitting_ratings_count",
        "sitting_bias",
        "movie_ratings_count",
        "movie_mean_rating",
        "movie_engaged_rate",
        "movie_bias",
        "movie_residual",
        "movie_residual_variance",
        "movie_age_years",
        "genre_bias",
        "genre_affinity",
        "decade_affinity",
        "popularity_affinity",
        "quality_affinity",
        "hour_of_day",
        "weekday_number",
        *(f"has_genre_{genre}" for genre in GENRES),
    ),
    categorical=(),
    baseline_feature="user_mean_rating",
    candidates={"logistic": {}, "boosting": {"learning_rate": 0.05, "l2_regularization": 5.0}},
    # Movies and users go on being rated: later rows of others are trained on where the history is split.
    splitters=(
        Splitter("global_time", by="time", column="split_global_time"),
        Splitter("last_fifth", by="history", column="split_last_fifth"),
        Splitter("last_rating", by="history", column="split_last_rating"),
    ),
    slices={
        "genre": "case when has_genre_drama then 'Drama' when has_genre_comedy then 'Comedy' "
        "when has_genre_action then 'Action' else 'other' end",
        "activity": "case when user_ratings_count < 20 then 'under 20 ratings' "
        "when user_ratings_count < 100 then '20 to 99 ratings' else '100 ratings or more' end",
        "popularity": "case when movie_ratings_count < 5 then 'under 5 ratings' "
        "when movie_ratings_count < 50 then '5 to 49 ratings' else '50 ratings or more' end",
    },
    groups={"genres": "has_genre_"},
    growing=("movie_ratings_count", "user_ratings_count"),
)

SESSION_CONVERSION = Task(
    name="session_conversion",
    source=None,
    feature_model="marts.feat_session_conversion",
    key="session_key",
    cluster="user_key",
    numeric=(
        "event_names_count",
        "item_events_count",
        "items_count",
        "seconds_since_start",
        "seconds_since_previous_event",
        "hour_of_day",
        "weekday",
        "user_sessions_count",
        "user_converted_sessions_count",
        "user_conversion_rate",
        "user_days_since_previous_session",
        "user_events_count",
    ),
    categorical=("first_event", "previous_event", "latest_event", "device", "channel", "country", "plan"),
    baseline_feature="user_conversion_rate",
    candidates={"logistic": {}, "boosting": {"min_samples_leaf": 20}},
    slices={
        "device": "device",
        "channel": "channel",
        "country": "country",
        "plan": "plan",
        "experience": "case when user_sessions_count = 0 then 'first session' when user_sessions_count < 5 "
        "then '1 to 4 sessions before' else '5 sessions or more before' end",
    },
    growing=("user_sessions_count", "user_converted_sessions_count", "user_events_count"),
    trait=Trait("plan", "member", covariates=("country",)),
    oracle_query="select session_key, p_converts as probability from marts.feat_session_conversion "
    "inner join truth.conversion_outlooks using (source, event_id)",
)

TASKS = (
    NEXT_EPISODE,
    USER_CHURN,
    PLAYER_CHURN,
    PLAYER_CHURN_CIRCULAR,
    GAME_PLAY,
    RATING_ENGAGEMENT,
    SESSION_CONVERSION,
)


@dataclass(frozen=True)
class Study:
    """What one training run is about: one task, one source, one splitter."""

    task: Task
    source: str
    splitter: Splitter

    @property
    def label(self) -> str:
        """The name of its runs: the task, then what tells its studies apart."""
        parts = [self.task.name]
        if self.task.source is None:
            parts.append(self.source)
        if len(self.task.splitters) > 1:
            parts.append(self.splitter.name)
        return "-".join(parts)
