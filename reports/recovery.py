"""The blocks that set estimates on simulated logs beside the truth, as data."""

from reports.blocks import Block, Column

INGEST = "python -m ingest"
SIMULATED = ("viewing", "clickstream")

ESTIMATES = Block(
    kind="scatter",
    title="Estimates against the truth",
    reading="To the right the truth, upwards what a mart estimates, with its 95% interval: on the diagonal "
    "it is exact. Continuation is by episode, retention by day, and transitions are those between two "
    "events, by persona. Axes don't begin at 0.",
    model="rpt_truth_recovery",
    order_by=("quantity", "source", "segment", "step_order", "step"),
    columns=(
        Column("quantity", "Quantity"),
        Column("segment", "Of whom"),
        Column("step", "Step"),
        Column("true_value", "Truth", "rate"),
        Column("estimate", "Estimate", "rate", "estimate_low", "estimate_high"),
        Column("trials_count", "Of", "count"),
    ),
    channels={"x": "true_value", "y": "estimate", "each": "quantity"},
    only={"is_same_quantity": True},
    sources=SIMULATED,
    filled_by=INGEST,
    height=280,
    wide=True,
)

COVERAGE = Block(
    kind="table",
    title="How often the intervals hold the truth",
    reading="Of 95% intervals, 95 in 100 should. Estimates of one log lean on the same users, so that they "
    "miss together: here the share may be some points off. Where the quantity is another, silence was taken "
    "for leaving, as one must without the truth: the error is what that costs.",
    model="rpt_truth_coverage",
    order_by=("source", "quantity"),
    columns=(
        Column("source", "Source"),
        Column("quantity", "Quantity"),
        Column("comparison", "The truth is of"),
        Column("covered_share", "Intervals that hold it", "rate"),
        Column("covered_count", "Those", "count"),
        Column("estimates_count", "Of all", "count"),
        Column("mean_absolute_error", "Mean absolute error", "metric"),
    ),
    sources=SIMULATED,
    filled_by=INGEST,
    wide=True,
)
