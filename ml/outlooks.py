"""The field's own model of who is still there, beside the classifiers of churn: BG/NBD on active days."""

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.errors import UserError
from ml.bg_nbd import BgNbd, fit_bg_nbd
from ml.features import FeatureTable

# Of all users of a source up to the test: its first day is a day after that of the last history.
HISTORIES = """
    select
        count(*) - 1 as frequency,
        date_diff('day', min(activity_date), max(activity_date)) as recency,
        date_diff('day', min(activity_date), cast(? as date)) as age
    from marts.fct_user_days
    where source = ? and activity_date < cast(? as date)
    group by user_id
    order by user_id
"""


def bg_nbd_outlooks(
    connection: duckdb.DuckDBPyConnection, table: FeatureTable
) -> tuple[NDArray[np.float64], pl.DataFrame] | None:
    """Fit BG/NBD on what was known when the test began, and look ahead from every row of the mart.

    Args:
        table: of `user_churn`, one source.

    Returns:
        (n,) probabilities of churn, 1 less that of coming back within the horizon; and rows of
        `ml.user_outlooks` as of the newest date. None where the source has too few users who came back.
    """
    test = table.rows[table.labelled("test")]
    begins = test["as_of"].min()
    horizon = (test["label_known_at"] - test["as_of"]).dt.total_days().median()
    histories = connection.execute(HISTORIES, [begins, table.study.source, begins]).fetchall()
    try:
        model = fit_bg_nbd(*np.array(histories, np.float64).reshape(-1, 3).T)
    except UserError:
        return None
    history = [
        table.features[name].to_numpy() for name in ("active_days_count", "recency_days", "tenure_days")
    ]
    history[0] = history[0] - 1
    churn = 1 - model.p_returns(horizon, *history)
    return churn, _newest(table, model, horizon, history)


def _newest(
    table: FeatureTable, model: BgNbd, horizon: float, history: list[NDArray[np.float64]]
) -> pl.DataFrame:
    rows = np.flatnonzero((table.rows["as_of"] == table.rows["as_of"].max()).to_numpy())
    now = [values[rows] for values in history]
    return table.rows[rows].select(
        pl.lit(table.study.source).alias("source"),
        pl.col("entity_id").alias("entity_id"),
        "as_of",
        pl.Series("p_alive", model.p_alive(*now)),
        pl.Series("expected_active_days", model.expected_returns(horizon, *now)),
    )
