"""Small feature tables, made by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import polars as pl

from ml.features import FeatureTable
from ml.tasks import BY_TIME, BY_USER, Study, Task

DAY_0 = np.datetime64("2024-01-01", "us")


def make_task(
    numeric: Sequence[str],
    categorical: Sequence[str] = (),
    slices: Sequence[str] = (),
    groups: Mapping[str, str] | None = None,
) -> Task:
    """A task over features of these names."""
    return Task(
        name="made",
        source="made",
        feature_model="marts.feat_made",
        key="row_id",
        cluster="user_id",
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        baseline_feature=numeric[0],
        candidates={"logistic": {}, "boosting": {}},
        slices=dict.fromkeys(slices, ""),
        groups=groups or {},
    )


def make_table(
    features: Mapping[str, Sequence],
    labels: Sequence,
    split: Sequence[str] | str = "test",
    users: Sequence[int] | None = None,
    slices: Mapping[str, Sequence[str | None]] | None = None,
    groups: Mapping[str, str] | None = None,
    days: Sequence[int] | None = None,
) -> FeatureTable:
    """A table of n rows; text columns of `features` are categorical, None in `labels` is not known.

    Args:
        split: of each row, or of all; users: a user a row by default; days: of `as_of`, null by default.
    """
    n = len(labels)
    is_text = {name: any(isinstance(value, str) for value in values) for name, values in features.items()}
    task = make_task(
        [name for name in features if not is_text[name]],
        [name for name in features if is_text[name]],
        list(slices or {}),
        groups,
    )
    as_of = pl.Series([None] * n if days is None else DAY_0 + np.asarray(days, "timedelta64[D]"))
    rows = pl.DataFrame(
        {
            "entity_id": [f"row {number}" for number in range(n)],
            "split": [split] * n if isinstance(split, str) else list(split),
            "label": [None if label is None else bool(label) for label in labels],
            **{f"slice_{name}": list(values) for name, values in (slices or {}).items()},
        },
        schema_overrides={"label": pl.Boolean},
    ).with_columns(as_of=as_of.cast(pl.Datetime("us")), label_known_at=as_of.cast(pl.Datetime("us")))
    columns = {
        name: pd.Series(list(features[name]), dtype=object if is_text[name] else np.float64)
        for name in task.features
    }
    return FeatureTable(
        study=Study(task, "made", BY_USER if days is None else BY_TIME),
        rows=rows,
        features=pd.DataFrame(columns),
        labels=np.array([np.nan if label is None else float(label) for label in labels]),
        clusters=np.arange(n) if users is None else np.asarray(users),
        oracle=None,
    )
