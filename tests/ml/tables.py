"""Feature tables made by hand."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from ml.features import FeatureTable
from ml.tasks import BY_TIME, Splitter, Study, Task

SMALL = Task(
    name="small",
    source="viewing",
    feature_model="marts.feat_small",
    key="id",
    cluster="user_id",
    numeric=("step", "count"),
    categorical=("device",),
    baseline_feature="step",
    candidates={"logistic": {}, "boosting": {}},
)
FIRST_MOMENT = np.datetime64("2025-01-01", "us")


def make_table(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    split: np.ndarray,
    clusters: np.ndarray | None = None,
    splitter: Splitter = BY_TIME,
    slices: Mapping[str, np.ndarray] | None = None,
    oracle: np.ndarray | None = None,
    **task: Any,
) -> FeatureTable:
    """A table of `SMALL`, with columns and attributes of its own; test follows validation follows training.

    Columns of objects are categorical. Row i is an hour after row i - 1 of its split, its label known at
    once.
    """
    size = len(labels)
    order = np.select([split == "train", split == "validation", split == "test"], [0, 1, 2], 3)
    hours = np.empty(size, np.int64)
    hours[np.argsort(order, kind="stable")] = np.arange(size)
    moments = FIRST_MOMENT + hours.astype("timedelta64[h]")
    categorical = tuple(name for name, values in features.items() if values.dtype == object)
    attributes = {name: getattr(SMALL, name) for name in SMALL.__dataclass_fields__} | {
        "numeric": tuple(name for name in features if name not in categorical),
        "categorical": categorical,
        "slices": dict.fromkeys(slices or {}, ""),
        "splitters": (splitter,),
        **task,
    }
    rows = pl.DataFrame(
        {
            "entity_id": [str(number) for number in range(size)],
            "as_of": moments,
            "label_known_at": moments,
            "split": split,
            "label": [None if np.isnan(label) else bool(label) for label in labels],
            **{f"slice_{name}": values for name, values in (slices or {}).items()},
        }
    )
    return FeatureTable(
        study=Study(Task(**attributes), "viewing", splitter),
        rows=rows,
        features=pd.DataFrame(
            {name: pd.Series(values, dtype=values.dtype) for name, values in features.items()}
        ),
        labels=labels,
        clusters=np.arange(size) if clusters is None else clusters,
        oracle=oracle,
    )
