"""The blocks on users over time, as data: a drawing for each source, whose origin stands beside its name."""

from reports.blocks import Block, Column

INGEST = "python -m ingest"
NOT_YET = "not yet known"
SOURCE = Column("source", "Source")

RETENTION_CURVE = Block(
    kind="line",
    title="Who comes back on a day",
    reading="The share of users active on the very day so many days after their first, of all users for whom "
    "that day is over. Band: 95% Wilson interval. The table also has those active on that day or soon after "
    "it (28 days in all, unless the definition says else), of those for whom these are over.",
    model="rpt_retention_curve",
    order_by=("source", "period_index"),
    columns=(
        SOURCE,
        Column("period_index", "Days since the first", "integer"),
        Column("retention_rate", "Active", "rate", "retention_rate_low", "retention_rate_high"),
        Column("members_count", "Users", "count"),
        Column(
            "on_or_after_rate",
            "Then or soon after",
            "rate",
            "on_or_after_rate_low",
            "on_or_after_rate_high",
            missing=NOT_YET,
        ),
        Column("followed_up_count", "Users followed up", "count"),
    ),
    channels={"x": "period_index", "y": "retention_rate", "each": "source"},
    sources=(),
    filled_by=INGEST,
    height=200,
    wide=True,
)

TIME_TO_CHURN = Block(
    kind="line",
    title="How long users stay",
    reading="The share of users who have not left so many days after their first (Kaplan-Meier): to leave is "
    "to be silent for 28 days from then on; whoever may still return counts for as long as they were seen. "
    "Band: 95% interval.",
    model="rpt_survival",
    order_by=("source", "time"),
    columns=(
        SOURCE,
        Column("time", "Days since the first", "integer"),
        Column("survival", "Still there", "rate", "survival_low", "survival_high"),
        Column("at_risk_count", "Users at risk", "count"),
    ),
    channels={"x": "time", "y": "survival", "each": "source"},
    only={"curve": "time_to_churn", "segment_name": "all"},
    sources=(),
    filled_by=INGEST,
    height=200,
    wide=True,
)

ACTIVE_USERS = Block(
    kind="line",
    title="Active users",
    reading="Users active on a day (DAU), or within the 7 (WAU) or 28 days (MAU) that end with it, over the "
    "last 182 days of the log. A window that began before the log is left out.",
    model="rpt_active_users",
    order_by=("source", "measure_order", "activity_date"),
    columns=(
        SOURCE,
        Column("activity_date", "Day", "day"),
        Column("measure", "Measure"),
        Column("users_count", "Active users", "count", missing=NOT_YET),
    ),
    channels={"x": "activity_date", "y": "users_count", "series": "measure", "each": "source"},
    sources=(),
    filled_by=INGEST,
    height=200,
    wide=True,
)

ACTIVE_DAYS = Block(
    kind="bar",
    title="How often users come",
    reading="Users active within the log's last 28 days, by the number of days they were active on: the more "
    "to the right, the more of a habit. The whisker is the 95% Wilson interval.",
    model="rpt_activity_frequency",
    order_by=("source", "window_end_date", "active_days_count"),
    columns=(
        SOURCE,
        Column("active_days_count", "Active days of 28", "integer"),
        Column("user_share", "Share of users", "rate", "user_share_low", "user_share_high", NOT_YET),
        Column("users_count", "Users", "count", missing=NOT_YET),
        Column("users_total", "Of all active", "count", missing=NOT_YET),
    ),
    channels={"x": "active_days_count", "y": "user_share", "each": "source"},
    only={"is_latest": True},
    sources=(),
    filled_by=INGEST,
    height=200,
    wide=True,
)

CHURN = Block(
    kind="line",
    title="How many users leave",
    reading="Of the users active in the 28 days before a date, the share that stayed away for the 28 days "
    "from then on. Dates whose 28 days are not over have no value yet. Band: 95% Wilson interval.",
    model="rpt_user_churn",
    order_by=("source", "as_of_date"),
    columns=(
        SOURCE,
        Column("as_of_date", "As of", "day"),
        Column("churn_rate", "Churned", "rate", "churn_rate_low", "churn_rate_high", NOT_YET),
        Column("at_risk_count", "Users with a known outcome", "count", missing=NOT_YET),
        Column("users_count", "Users", "count"),
    ),
    channels={"x": "as_of_date", "y": "churn_rate", "each": "source"},
    only={"is_recent": True},
    sources=(),
    filled_by=INGEST,
    height=200,
    wide=True,
)
