"""What a training run tells beside its metrics: all of it is written, of the estimators and rows it says."""

from pathlib import Path

import pytest
from worlds import fetch


def test_every_estimator_has_its_curves_and_their_area_is_the_metric(trained: Path) -> None:
    areas = dict(
        fetch(
            trained,
            """
            select estimator, sum((x - last_x) * (y + last_y) / 2)
            from (
                select estimator, x, y, lag(x) over line as last_x, lag(y) over line as last_y
                from ml.curves
                where curve = 'roc'
                window line as (partition by estimator order by point)
            )
            group by all
            """,
        )
    )
    metrics = fetch(
        trained, "select estimator, value from ml.metrics where metric = 'roc_auc' and split = 'test'"
    )
    assert areas.keys() == {"baseline", "logistic", "boosting", "oracle"}
    assert areas == pytest.approx(dict(metrics), abs=1e-3)


def test_slices_part_the_test_rows_of_the_chosen_estimator(trained: Path) -> None:
    [(rows,)] = fetch(trained, "select count(*) from ml.scores where split = 'test' and label is not null")
    parted = fetch(
        trained,
        "select slice, sum(rows_count) from ml.slices where metric = 'base_rate' group by 1 order by 1",
    )
    assert parted == [(name, rows) for name in ("activity", "channel", "cohort", "device", "episode", "user")]
    assert not fetch(trained, "select estimator from ml.slices except select estimator from ml.model_runs")
    # The world's users are all in training.
    assert fetch(trained, "select distinct slice_value from ml.slices where slice = 'user'") == [("seen",)]


def test_explained_rows_are_ranked_as_they_are_scored(trained: Path) -> None:
    """Calibration is a rising curve over the log odds that the parts add up to."""
    explained = fetch(
        trained,
        """
        select any_value(expected_log_odds) + sum(shap_value), any_value(probability)
        from ml.shap_values
        inner join ml.scores using (run_id, entity_id)
        where split = 'test' and label is not null
        group by entity_id
        order by 1
        """,
    )
    assert len(explained) == 500
    probabilities = [probability for _, probability in explained]
    assert probabilities == sorted(probabilities)
    assert probabilities[0] < 0.3 < 0.8 < probabilities[-1]


def test_drift_is_told_of_every_feature_and_the_score(trained: Path) -> None:
    [(features,)] = fetch(trained, "select json_array_length(feature_names) from ml.model_runs")
    told = fetch(trained, "select comparison, count(*), count(psi) from ml.drift group by 1 order by 1")
    assert told == [
        (name, features + 1, features + 1)
        for name in ("first_to_last_as_of", "test_to_open", "train_to_test")
    ]
