"""The pages, as data. A page says which models it draws and in which words; it holds no number."""

from reports.blocks import Block, Column, Page, Section
from reports.over_time import ACTIVE_DAYS, ACTIVE_USERS, CHURN, RETENTION_CURVE, TIME_TO_CHURN
from reports.recovery import COVERAGE, ESTIMATES

INGEST, DBT, TRAIN = "python -m ingest", "dbt build", "python -m ml.train"
VIEWING, STEAM = ("viewing", "anime"), ("steam",)
NOT_YET = "not yet known"
NEXT_EPISODE = "next_episode"

LOADED = Block(
    kind="table",
    title="What is loaded",
    reading="Real rows come from a published file. Simulated rows and stand-ins are made by this project: "
    "they show that the method works, and say nothing about real people. Rows read are rows loaded, "
    "rejected and duplicate together; each rejected row is kept with its reason, see stg_ingest__rejects.",
    model="rpt_sources",
    order_by=("sort_order", "source"),
    columns=(
        Column("source", "Source"),
        Column("origin", "Origin", "origin"),
        Column("origin_label", "What that means"),
        Column("file_name", "File"),
        Column("rows_read", "Rows read", "count"),
        Column("rows_loaded", "Loaded", "count"),
        Column("rows_rejected", "Rejected", "count"),
        Column("rows_duplicate", "Duplicate", "count"),
        Column("licence", "Licence"),
        Column("loaded_at", "Loaded at", "moment"),
    ),
    sources=(),
    filled_by=INGEST,
    wide=True,
)

HEADLINES = Block(
    kind="figures",
    title="Headline figures",
    reading="n is the number of things a figure is taken over: the denominator of a rate, the population of "
    "a mean or median. Intervals hold with 95% confidence.",
    model="rpt_headline_figures",
    order_by=("figure_order", "figure"),
    columns=(Column("value", "Value", missing=NOT_YET),),
    channels={
        "label": "figure",
        "source": "source",
        "value": "value",
        "low": "ci_low",
        "high": "ci_high",
        "unit": "unit",
        "n": "denominator",
        "note": "note",
    },
    sources=(),
    filled_by=INGEST,
    wide=True,
)

EPISODE = Column("episode_number", "Episode", "integer")
AT_RISK = Column("at_risk_count", "Views at risk", "count")
SURVIVAL = Column("survival", "Still watching", "rate", "survival_low", "survival_high", NOT_YET)

SURVIVAL_BY_EPISODE = Block(
    kind="line",
    title="Who is still watching after each episode",
    reading="The share of viewers of a title who go on past an episode (Kaplan-Meier): a title that ends "
    "here, or whose next episode may still be started, counts for as long as it was seen. The band is the "
    "95% interval; it widens where few are left.",
    model="rpt_retention_by_episode",
    order_by=("episode_number",),
    columns=(EPISODE, SURVIVAL, AT_RISK),
    channels={"x": "episode_number", "y": "survival"},
    sources=VIEWING,
    filled_by=INGEST,
    wide=True,
)

CONTINUATION_BY_EPISODE = Block(
    kind="line",
    title="How many go on to the next episode",
    reading="Views after which the next episode was started in time, of the views at risk: those whose "
    "outcome is known. A title's last episode, and a view whose window is still open, are left out. Band: "
    "95% Wilson interval. The axis doesn't begin at 0.",
    model="rpt_retention_by_episode",
    order_by=("episode_number",),
    columns=(
        EPISODE,
        Column(
            "continuation_rate",
            "Continued",
            "rate",
            "continuation_rate_low",
            "continuation_rate_high",
            NOT_YET,
        ),
        AT_RISK,
        Column("continued_count", "Continued, views", "count"),
        Column("stopped_count", "Stopped, views", "count"),
        Column("censored_count", "Last episode or not yet known, views", "count"),
    ),
    channels={"x": "episode_number", "y": "continuation_rate"},
    sources=VIEWING,
    filled_by=INGEST,
    from_zero=False,
)

AT_RISK_BY_EPISODE = Block(
    kind="bar",
    title="How many views stand behind it",
    reading="Views at risk at each episode: the denominator of the two rates beside it. Where the bars are "
    "low, the rates are uncertain.",
    model="rpt_retention_by_episode",
    order_by=("episode_number",),
    columns=(EPISODE, AT_RISK),
    channels={"x": "episode_number", "y": "at_risk_count"},
    sources=VIEWING,
    filled_by=INGEST,
)

BINGES = Block(
    kind="bar",
    title="Binge length",
    reading="The longest sitting of each viewer with each title, in episodes, as a share of all pairs of "
    "viewer and title; the whisker is the 95% Wilson interval.",
    model="rpt_binge_length",
    order_by=("binge_length",),
    columns=(
        Column("binge_length_label", "Episodes in the longest sitting"),
        Column("run_share", "Share of pairs", "rate", "run_share_low", "run_share_high"),
        Column("runs_count", "Pairs", "count"),
        Column("runs_total", "Of all pairs", "count"),
    ),
    channels={"x": "binge_length_label", "y": "run_share"},
    sources=VIEWING,
    filled_by=INGEST,
    wide=True,
)

TOP_TITLES = Block(
    kind="table",
    title="Most watched titles",
    reading="Ranked by viewers. Finished: pairs of viewer and title that saw the last episode, of those "
    "that finished or stopped; those still open count in neither. Half of the viewers got as far as the "
    "median depth, in episodes.",
    model="rpt_top_titles",
    order_by=("title_rank",),
    columns=(
        Column("title_rank", "Rank", "integer"),
        Column("title", "Title"),
        Column("anime_type", "Type"),
        Column("episodes_total", "Episodes", "count"),
        Column("viewers_count", "Viewers", "count"),
        Column("views_count", "Views", "count"),
        Column("finished_rate", "Finished", "rate", "finished_rate_low", "finished_rate_high", NOT_YET),
        Column("finished_count", "Finished, pairs", "count"),
        Column("finishable_count", "Of pairs", "count"),
        Column("median_depth", "Median depth", "decimal"),
    ),
    sources=VIEWING,
    filled_by=INGEST,
    wide=True,
)

TITLES_COMPARED = Block(
    kind="line",
    title="Still watching, title by title",
    reading="The same curve for each of the most watched titles. Choose titles by their names, or by a "
    "click on a line, to see them alone, with their 95% intervals; choose again to let go.",
    model="rpt_title_retention",
    order_by=("title_rank", "episode_number"),
    columns=(Column("title", "Title"), EPISODE, SURVIVAL, AT_RISK),
    channels={"x": "episode_number", "y": "survival", "series": "title", "series_key": "title_rank"},
    sources=VIEWING,
    filled_by=INGEST,
    height=340,
    wide=True,
)

PLAYTIME = Block(
    kind="rows",
    title="Playtime of players",
    reading="Players by the hours they played in all games together, as a share of all players. Steam's "
    "file has no dates: it tells how deep, not when.",
    model="rpt_playtime_histogram",
    order_by=("bin_order",),
    columns=(
        Column("bin_label", "Hours played"),
        Column("player_share", "Share of players", "rate"),
        Column("players_count", "Players", "count"),
        Column("players_total", "Of all players", "count"),
    ),
    channels={"x": "player_share", "y": "bin_label"},
    sources=STEAM,
    filled_by=INGEST,
)

TIER = Column("tier_label", "Tier")
MEDIAN_HOURS = Column("hours_median", "Hours: median, and range", "hours", "hours_min", "hours_max")

TIER_HOURS = Block(
    kind="dots",
    title="Hours in each fifth of players",
    reading="Players in order of playtime, cut into fifths. The dot is the median, the bar reaches from the "
    "least to the most hours in the tier; the axis grows by powers.",
    model="rpt_engagement_tiers",
    order_by=("engagement_tier",),
    columns=(TIER, MEDIAN_HOURS, Column("players_count", "Players", "count")),
    channels={"x": "hours_median", "y": "tier_label"},
    sources=STEAM,
    filled_by=INGEST,
    scale="symlog",
    ticks=(0, 1, 10, 100, 1_000, 10_000),
)

TIERS = Block(
    kind="table",
    title="Engagement tiers",
    reading="Proxy churn means the bottom fifth by playtime, inclusive: a stand-in label for want of dates. "
    "The tiers are cut from the same hours, so that its rate by tier is true by definition, not a finding.",
    model="rpt_engagement_tiers",
    order_by=("engagement_tier",),
    columns=(
        TIER,
        Column("players_count", "Players", "count"),
        MEDIAN_HOURS,
        Column("games_played_mean", "Games played, mean", "decimal"),
        Column("games_owned_mean", "Games owned, mean", "decimal"),
        Column("proxy_churned_count", "Proxy churned", "count"),
        Column("proxy_churn_rate", "Proxy churn rate", "rate"),
    ),
    sources=STEAM,
    filled_by=INGEST,
    wide=True,
)

MODEL_RUNS = Block(
    kind="table",
    title="The trained model",
    reading="Trained on the earlier views, tested on the later ones: the windows don't overlap. The model "
    "with the lowest log loss in between is kept.",
    model="rpt_model_runs",
    order_by=("task", "run_id"),
    columns=(
        Column("task", "Task"),
        Column("estimator", "Estimator"),
        Column("train_rows_count", "Rows trained on", "count"),
        Column("test_rows_count", "Rows tested on", "count"),
        Column("train_from", "Trained from", "day"),
        Column("train_to", "to", "day"),
        Column("test_from", "Tested from", "day"),
        Column("test_to", "to", "day"),
        Column("train_seconds", "Took", "seconds"),
        Column("run_id", "Run"),
    ),
    only={"task": NEXT_EPISODE},
    sources=VIEWING,
    filled_by=TRAIN,
    wide=True,
)

ESTIMATOR = Column("estimator", "Estimator")
METRIC_VALUE = Column("value", "Value", "metric", "ci_low", "ci_high")

MODEL_AGAINST_ORACLE = Block(
    kind="dots",
    title="Metrics against the oracle",
    reading="The oracle scores with the true probabilities that the simulator drew from: no model can do "
    "better than the dashed line, except by chance or by a leak. The ceiling is the best that can be had "
    "from what the log shows. Less is better for log loss, Brier score, RMSE and calibration error; a "
    "calibration slope is best at 1, an intercept at 0. Bars are 95% bootstrap intervals over viewers. Axes "
    "don't begin at 0.",
    model="rpt_model_metrics",
    order_by=("task", "metric_order", "estimator_order", "estimator"),
    columns=(ESTIMATOR, METRIC_VALUE),
    channels={"x": "value", "y": "estimator", "each": "metric_label", "reference": "oracle_value"},
    only={"task": NEXT_EPISODE, "split": "test"},
    sources=VIEWING,
    filled_by=TRAIN,
    from_zero=False,
    wide=True,
)

MODEL_METRICS = Block(
    kind="table",
    title="Metrics in full",
    reading="The difference to the oracle is taken on the same rows, with its own 95% interval.",
    model="rpt_model_metrics",
    order_by=("task", "metric_order", "estimator_order", "estimator", "split"),
    columns=(
        Column("metric_label", "Metric"),
        ESTIMATOR,
        METRIC_VALUE,
        Column("minus_oracle", "Minus the oracle's", "difference", "minus_oracle_low", "minus_oracle_high"),
        Column("verdict", "Verdict"),
    ),
    only={"task": NEXT_EPISODE, "split": "test"},
    sources=VIEWING,
    filled_by=TRAIN,
    wide=True,
)

IMPORTANCE = Block(
    kind="dots",
    title="What the model leans on",
    reading="Permutation importance on the test rows: how much the metric worsens when one column is "
    "shuffled. The bar is the 95% range over repeated shuffles. Columns that say the same thing share their "
    "importance.",
    model="rpt_feature_importance",
    order_by=("task", "importance_rank", "feature"),
    columns=(
        Column("feature", "Feature"),
        Column("importance_mean", "Importance", "metric", "importance_low", "importance_high"),
    ),
    channels={"x": "importance_mean", "y": "feature"},
    only={"task": NEXT_EPISODE},
    sources=VIEWING,
    filled_by=TRAIN,
    wide=True,
)

CALIBRATION = Block(
    kind="calibration",
    title="Calibration",
    reading="Test views grouped by predicted probability: on the diagonal, as many went on as predicted. "
    "Whiskers are 95% Wilson intervals.",
    model="rpt_calibration",
    order_by=("task", "estimator_label", "bin_order"),
    columns=(
        Column("estimator_label", "Estimator"),
        Column("mean_probability", "Predicted probability, mean", "rate"),
        Column("observed_rate", "Went on", "rate", "observed_rate_low", "observed_rate_high", NOT_YET),
        Column("rows_count", "Views", "count"),
    ),
    channels={"x": "mean_probability", "y": "observed_rate", "series": "estimator_label"},
    only={"task": NEXT_EPISODE},
    sources=VIEWING,
    filled_by=TRAIN,
    height=340,
)

SCORES = Block(
    kind="histogram",
    title="How the scores spread",
    reading="Scored views by the probability of going on, coloured by what came of them. Grey: the window "
    "is still open, nobody knows yet.",
    model="rpt_score_distribution",
    order_by=("task", "bin_order", "outcome"),
    columns=(
        Column("probability_from", "Predicted probability, from", "rate"),
        Column("probability_to", "to", "rate"),
        Column("outcome", "Outcome"),
        Column("rows_count", "Views", "count"),
    ),
    channels={"x": "probability_from", "x2": "probability_to", "y": "rows_count", "series": "outcome"},
    series_colors={
        "continued": "var(--series-1)",
        "stopped": "var(--series-2)",
        NOT_YET: "var(--unknown)",
    },
    only={"task": NEXT_EPISODE},
    sources=VIEWING,
    filled_by=TRAIN,
    height=340,
)

OVERVIEW = Page(
    file_name="index.html",
    title="Engagement overview",
    words="Who keeps watching, who plays how much, and how well a model predicts it. Each figure is a "
    "column of a table in the warehouse, and stands beside where it comes from.",
    loaded=LOADED,
    sections=(
        Section("Headlines", "The figures to remember.", (HEADLINES,)),
        Section(
            "Users over time",
            "Who comes back, who stays away, and how often users come, for each source whose events have a "
            "time. A day that is still running is left out.",
            (RETENTION_CURVE, TIME_TO_CHURN, ACTIVE_USERS, ACTIVE_DAYS, CHURN),
        ),
        Section(
            "Retention",
            "Where viewers leave a title, and how much they watch at a sitting.",
            (SURVIVAL_BY_EPISODE, CONTINUATION_BY_EPISODE, AT_RISK_BY_EPISODE, BINGES),
        ),
        Section("Titles", "The most watched titles beside each other.", (TOP_TITLES, TITLES_COMPARED)),
        Section("Steam", "How long players play.", (PLAYTIME, TIER_HOURS, TIERS)),
        Section(
            "Model",
            "Predicting whether a viewer goes on to the next episode, measured against the best score that "
            "is possible at all.",
            (MODEL_RUNS, MODEL_AGAINST_ORACLE, MODEL_METRICS, CALIBRATION, SCORES, IMPORTANCE),
        ),
        Section(
            "Truth",
            "Simulated logs, of which the right answer is known: what the marts say of them beside it.",
            (ESTIMATES, COVERAGE),
        ),
    ),
)

PAGES = (OVERVIEW,)
