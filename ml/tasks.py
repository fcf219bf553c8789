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
)

TASKS = (NEXT_EPISODE,)


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
