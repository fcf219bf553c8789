"""The observable ceiling: held against the truth, brute force, and the log as it was at an earlier time."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from common.warehouse import open_warehouse
from ml.ceiling import NoCeilingError, ceiling_probabilities
from ml.ceiling.clock import DAY, HOUR, WEEK, Clock
from ml.ceiling.completions import LEVELS, completion_table
from ml.ceiling.estimate import repeat_shares
from ml.ceiling.log import Log, read_log
from ml.ceiling.parameters import Parameters, read_parameters
from ml.ceiling.tastes import draw_tastes
from ml.ceiling.titles import Beliefs, Edges, Gaussians, _without_match
from ml.ceiling.viewers import Qualities, ViewerPosterior

ALL_VIEWERS = 10_000


@dataclass(frozen=True)
class World:
    """A simulated log, what was planted, and the ceiling of all its viewers.

    engagement (u,), quality (t,) and match (r,) are the true ones, in the units of the effects; `rows` are
    the test rows with features, label, `p_continue` and the ceiling's `probability`; `train` has the same of
    the training rows, but the ceiling.
    """

    parameters: Parameters
    clock: Clock
    log: Log
    engagement: NDArray[np.float64]
    quality: NDArray[np.float64]
    match: NDArray[np.float64]
    rows: pl.DataFrame
    train: pl.DataFrame


RATES = ("user_continuation_rate", "title_continuation_rate")
FEATURES = ("episode_number", "completion", "title_score", *RATES)
ROWS = f"""
select event_id, user_id, as_of, split, label, p_continue, {", ".join(FEATURES)}
from marts.feat_next_episode inner join truth.episode_choices using (event_id)
where label is not null
order by event_id
"""


@pytest.fixture(scope="module")
def connection(built_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(built_warehouse))
        with open_warehouse(read_only=True) as connection:
            yield connection


def fetch(connection: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    return pl.DataFrame(connection.sql(query).to_arrow_table())


@pytest.fixture(scope="module")
def world(connection: duckdb.DuckDBPyConnection) -> World:
    parameters = read_parameters(connection)
    clock = Clock(parameters)
    log = read_log(connection, parameters, clock)
    viewers = fetch(connection, "select engagement, taste from truth.viewers order by user_id")
    beta = stats.beta(parameters.size["engagement_alpha"], parameters.size["engagement_beta"])
    titles = fetch(
        connection,
        "select anime_id, quality from truth.titles "
        "where anime_id in (select anime_id from marts.fct_episode_views) order by anime_id",
    )
    tastes = np.array(viewers["taste"].to_list())
    rows = fetch(connection, ROWS)
    return World(
        parameters=parameters,
        clock=clock,
        log=log,
        engagement=(viewers["engagement"].to_numpy() - beta.mean()) / beta.std(),
        quality=titles["quality"].to_numpy(),
        match=(tastes[log.run_viewers] * log.has_tag[log.run_titles]).sum(axis=1),
        rows=rows.join(ceiling_probabilities(connection, ALL_VIEWERS, seed=1), on="event_id"),
        train=rows.filter(pl.col("split") == "train"),
    )


def mean_kl(truth: NDArray[np.float64], guess: NDArray[np.float64]) -> float:
    return float(np.mean(special.rel_entr(truth, guess) + special.rel_entr(1 - truth, 1 - guess)))


def test_with_the_true_traits_the_formula_gives_the_true_probability(
    world: World, connection: duckdb.DuckDBPyConnection
) -> None:
    log, parameters = world.log, world.parameters
    traits = [world.engagement[log.run_viewers], world.quality[log.run_titles], world.match]
    logits = log.offsets + (parameters.on_logit @ traits)[log.runs]
    viewers = log.run_viewers[log.runs]
    hazards = parameters.hazards(world.engagement, np.ones(1))[0] * log.hazard_ratios
    stays = world.clock.stay_probabilities(hazards)[viewers, world.clock.half_hours(log.starts)]
    formula = pl.DataFrame({"event_id": log.event_ids, "p": special.expit(logits) * stays})
    joined = formula.join(fetch(connection, "select * from truth.episode_choices"), on="event_id")
    errors = (joined["p"] - joined["p_continue"]).abs()
    # The simulator rounds hazards to levels 4 % apart.
    assert errors.quantile(0.999) < 0.002
    assert errors.max() < 0.003


def test_a_new_row_gets_a_probability_between_the_truth_and_any_honest_model(world: World) -> None:
    """Log loss and distance to the truth, against the rate by episode and a logistic regression."""
    train, test = world.train, world.rows
    labels = test["label"].cast(pl.Float64).to_numpy()
    truth = test["p_continue"].cast(pl.Float64).to_numpy()
    ceiling = test["probability"].to_numpy()
    rates = train.group_by("episode_number").agg(rate=pl.col("label").mean())
    baseline = test.join(rates, on="episode_number", how="left", maintain_order="left")["rate"]
    baseline = baseline.fill_null(0.9).clip(0.05, 0.95).to_numpy()

    def design(rows: pl.DataFrame) -> NDArray[np.float64]:
        names = [pl.col(name).fill_null(train[name].mean()).cast(pl.Float64) for name in FEATURES]
        return rows.select(*names, first=(pl.col("episode_number") == 1).cast(pl.Float64)).to_numpy()

    model = LogisticRegression(max_iter=2000).fit(design(train), train["label"].to_numpy())
    logistic = model.predict_proba(design(test))[:, 1]
    losses = [log_loss(labels, p) for p in (truth, ceiling, logistic, baseline)]
    assert losses == sorted(losses)
    assert mean_kl(truth, ceiling) < 0.7 * mean_kl(truth, logistic)
    # What the oracle gains over the ceiling is, in expectation, the ceiling's distance to the truth.
    assert losses[1] - losses[0] == pytest.approx(mean_kl(truth, ceiling), abs=0.004)
    assert mean_kl(truth, ceiling) < 0.022
    for low in (0.0, 0.25, 0.5, 0.75):
        in_bin = (ceiling >= low) & (ceiling < low + 0.25)
        assert truth[in_bin].mean() == pytest.approx(ceiling[in_bin].mean(), abs=0.02)


def test_beliefs_on_viewers_and_titles_are_as_sure_as_they_may_be(world: World) -> None:
    """Squared z of the posterior means against the truth: 1 where beliefs are calibrated."""
    log = world.log
    tastes = draw_tastes(world.parameters, log.has_tag, 8, seed=3)
    now = np.ceil(np.quantile(log.ends, 0.85) / DAY) * DAY
    beliefs = Beliefs(log, world.parameters, world.clock, tastes, repeat_shares(log, tastes, now))
    beliefs.advance(now)
    known = log.ends[log.first_views] < now
    runs_of_title = np.bincount(log.run_titles[known], minlength=len(world.quality))
    is_active = np.bincount(log.run_viewers[known], minlength=len(world.engagement)) > 0
    by_title = (beliefs.titles.mean - world.quality) ** 2 * beliefs.titles.precision
    by_viewer = (beliefs.viewers.mean - world.engagement) ** 2 * beliefs.viewers.precision
    assert 0.8 < by_viewer[is_active].mean() < 1.25
    assert 0.8 < by_title[runs_of_title > 0].mean() < 1.25
    assert 0.7 < by_title[runs_of_title >= 20].mean() < 1.4
    assert np.corrcoef(beliefs.viewers.mean[is_active], world.engagement[is_active])[0, 1] > 0.75
    # A quality shows the more, the more viewers a title had.
    assert 1 / beliefs.titles.precision[runs_of_title >= 20].mean() < 0.3 * log.quality_variances.min()


def test_silence_tells_of_viewers_who_left(world: World) -> None:
    """Taken for still there, those silent for long would be thought far less engaged than they are."""
    log = world.log
    tastes = draw_tastes(world.parameters, log.has_tag, 8, seed=3)
    now = np.ceil(log.ends.max() / DAY) * DAY
    beliefs = Beliefs(log, world.parameters, world.clock, tastes, repeat_shares(log, tastes, now))
    beliefs.advance(now)
    last_ends = np.zeros(len(log.user_ids))
    np.maximum.at(last_ends, log.run_viewers[log.runs], log.ends)
    is_silent = (last_ends > 0) & (last_ends < now - 45 * DAY)
    errors = (beliefs.viewers.mean - world.engagement)[is_silent]
    assert is_silent.sum() > 300
    assert abs(errors.mean()) < 4 * errors.std() / is_silent.sum() ** 0.5
    assert 0.8 < (errors**2 * beliefs.viewers.precision[is_silent]).mean() < 1.25


def test_choices_tell_of_tastes(world: World) -> None:
    """Posterior of a viewer's match with the titles chosen, from the choices alone."""
    log = world.log
    tastes = draw_tastes(world.parameters, log.has_tag, 8, seed=5)
    sums = np.zeros((len(log.user_ids), tastes.matches.shape[1]))
    np.add.at(sums, log.run_viewers, tastes.choices[log.run_titles])
    some = slice(None, None, 4)
    weights = special.softmax(sums, axis=1)[log.run_viewers[some]]
    matches, truth = tastes.matches[log.run_titles[some]], world.match[some]
    mean = (weights * matches).sum(axis=1)
    variance = (weights * (matches - mean[:, None]) ** 2).sum(axis=1)
    assert np.corrcoef(mean, truth)[0, 1] > 0.55
    assert mean.mean() == pytest.approx(truth.mean(), abs=0.01)
    assert 0.85 < ((mean - truth) ** 2).mean() / variance.mean() < 1.15


def test_the_average_is_that_of_plain_importance_sampling(world: World) -> None:
    """A few rows worked out view by view with 200,000 draws of all traits from their priors."""
    log, clock, parameters = world.log, world.clock, world.parameters
    rng = np.random.default_rng(11)
    view_counts = np.bincount(log.run_viewers[log.runs], minlength=len(log.user_ids))
    rows = [
        int(rng.choice(np.flatnonzero(log.has_next & (log.run_viewers[log.runs] == viewer))))
        for viewer in np.flatnonzero((view_counts > 6) & (view_counts < 20))[:4]
    ]
    means = rng.normal(size=(1, len(log.run_viewers)))
    variances = np.full_like(means, 0.2)
    repeats = np.full(len(log.run_viewers), 0.01)
    tastes = draw_tastes(parameters, log.has_tag, 12, seed=8)
    posterior = ViewerPosterior(log, parameters, clock, tastes, repeats)
    order = np.lexsort((log.ends[rows], log.run_viewers[log.runs[rows]]))
    rows = np.array(rows)[order]
    got = posterior.probabilities(rows, np.zeros(len(rows), dtype=int), Qualities(means, variances))
    expected = [brute_force(world, row, means[0], variances[0], 0.01, rng) for row in rows]
    assert got == pytest.approx(np.array(expected), abs=0.006)


def completion_likelihood(size: dict[str, float], thousandths: int, levels: NDArray) -> NDArray:
    at = np.linspace(-2, 2, 200)
    mean = special.expit(size["completion_mean"] + at)
    beta = stats.beta(mean * size["completion_precision"], (1 - mean) * size["completion_precision"])
    low, high = np.clip((thousandths + np.array([-0.5, 0.5])) / 1000, 0, 1)
    return np.interp(levels, at, np.log(beta.sf(low) - beta.sf(high)))


def brute_force(
    world: World, row: int, means: NDArray, variances: NDArray, repeat: float, rng: np.random.Generator
) -> float:
    log, clock, size = world.log, world.clock, world.parameters.size
    draws, now, viewer = 200_000, log.ends[row], log.run_viewers[log.runs[row]]
    prior = stats.beta(size["engagement_alpha"], size["engagement_beta"])
    engagement = (prior.rvs(draws, random_state=rng) - prior.mean()) / prior.std()
    shares = np.array(list(world.parameters.tag_shares.values()))
    taste = rng.dirichlet(np.full(len(shares), size["taste_concentration"]), draws)
    hazard = size["leave_hazard"] * log.hazard_ratios[viewer] * np.exp(size["leave_engagement"] * engagement)
    rate = size["start_titles"] * np.exp(size["start_engagement"] * engagement)
    logs = -hazard * (log.starts[row] - log.signups[viewer]) / DAY
    runs = np.flatnonzero((log.run_viewers == viewer) & (log.ends[log.first_views] < now))
    if log.runs[row] not in runs:
        runs = np.append(runs, log.runs[row])
    first_starts = log.starts[log.first_views[runs]]
    days_since = clock.operational_days(log.starts[[row]]) - clock.operational_days(first_starts)
    logs += (len(runs) - 1) * np.log(rate) - rate * (days_since.max() - repeat * days_since.sum())
    for run in runs:
        has_tag = log.has_tag[log.run_titles[run]]
        quality = rng.normal(means[run], variances[run] ** 0.5, draws)
        match = taste[:, has_tag].sum(axis=1)
        led = size["choice_taste"]
        logs += np.log(1 - led + led * (taste[:, has_tag] / shares[has_tag]).sum(axis=1))
        logit = size["continue_engagement"] * engagement + size["continue_quality"] * quality
        logit += size["continue_taste_match"] * match
        level = size["completion_engagement"] * engagement + size["completion_quality"] * quality
        for view in range(log.first_views[run], log.last_views[run] + 1):
            if log.ends[view] >= now and view != row:
                continue
            logs += completion_likelihood(size, log.completions[view], level)
            p = special.expit(log.offsets[view] + logit)
            if view == row:
                half_hour = clock.half_hours(log.starts[[row]])[0]
                levels = np.linspace(hazard.min(), hazard.max(), 40)
                stays = np.interp(hazard, levels, clock.stay_probabilities(levels)[:, half_hour])
                asked = p * stays
            elif log.next_ends[view] < now or view + 1 == row:
                logs += np.log(p)
            elif log.has_next[view]:
                times = (log.starts[[view]], log.ends[[view]], log.episode_seconds[[view]])
                logs += np.log1p(-p * clock.seen_share(*times, np.array([now]))[0])
    weights = np.exp(logs - logs.max())
    return float((weights * asked).sum() / weights.sum())


def test_messages_are_conditional_gaussians() -> None:
    """Against the joint Gaussian of engagement, quality and match, inverted as a whole."""
    rng = np.random.default_rng(2)
    root = rng.normal(size=(3, 3))
    precision, shift = root @ root.T, rng.normal(size=3)
    priors = np.array([2.0, 3.0, 5.0]), np.array([0.5, -1.0, 0.7])  # precision and shift of each
    match = Gaussians(priors[0][2:], priors[1][2:])
    edges = _without_match(precision[:, :, None], shift[:, None], match)
    assert isinstance(edges, Edges)
    joint = np.linalg.inv(precision + np.diag([2.0, 0.0, 5.0]))
    mean = joint @ (shift + priors[1] * [1, 0, 1])
    message = edges.to_quality(Gaussians(priors[0][:1], priors[1][:1]))
    assert message.precision[0] == pytest.approx(1 / joint[1, 1])
    assert message.mean[0] == pytest.approx(mean[1])
    joint = np.linalg.inv(precision + np.diag([0.0, 3.0, 5.0]))
    mean = joint @ (shift + priors[1] * [0, 1, 1])
    message = edges.to_engagement(Gaussians(priors[0][1:2], priors[1][1:2]))
    assert message.precision[0] == pytest.approx(1 / joint[0, 0])
    assert message.mean[0] == pytest.approx(mean[0])


def test_next_views_are_seen_when_the_clock_says(world: World) -> None:
    log, clock = world.log, world.clock
    went_on = np.flatnonzero(np.isfinite(log.next_ends) & (log.ends < log.ends.max() - 14 * DAY))
    times = [values[went_on] for values in (log.starts, log.ends, log.episode_seconds)]
    for elapsed in (2 * HOUR, 12 * HOUR, 1.5 * DAY, 3 * DAY, 8 * DAY):
        expected = clock.seen_share(*times, log.starts[went_on] + elapsed).mean()
        seen = (log.next_ends[went_on] < log.starts[went_on] + elapsed).mean()
        # Whoever leaves in a long gap is missed: about one in a hundred.
        assert seen == pytest.approx(expected, abs=0.012), elapsed


def test_operational_time_runs_seven_days_a_week(world: World) -> None:
    monday = 4 * DAY
    instants = monday + np.arange(0, 3 * WEEK, HOUR)
    days = world.clock.operational_days(instants.astype(float))
    assert (np.diff(days) > 0).all()
    assert days[168] - days[0] == pytest.approx(7)
    hours, weekdays = world.parameters.hours, world.parameters.weekdays
    saturday_evening = weekdays[5] * hours[20] / (weekdays.sum() * hours.sum()) * 7
    assert days[5 * 24 + 21] - days[5 * 24 + 20] == pytest.approx(saturday_evening)


def test_completions_have_the_planted_mean(world: World) -> None:
    chances = np.exp(completion_table(world.parameters))
    assert chances.sum(axis=1) == pytest.approx(np.ones(len(LEVELS)), abs=1e-6)
    means = chances @ np.arange(1001) / 1000
    assert means == pytest.approx(special.expit(world.parameters.size["completion_mean"] + LEVELS), abs=1e-3)


def test_another_seed_moves_little_and_the_same_seed_nothing(
    world: World, connection: duckdb.DuckDBPyConnection
) -> None:
    other = ceiling_probabilities(connection, 200, seed=2)
    assert other.equals(ceiling_probabilities(connection, 200, seed=2))
    both = other.join(world.rows, on="event_id", suffix="_before")
    assert both.height == other.height
    assert both["user_id"].n_unique() == 200
    labels = both["label"].to_numpy()
    losses = [log_loss(labels, both[name].to_numpy()) for name in ("probability", "probability_before")]
    assert losses[0] == pytest.approx(losses[1], abs=0.001)
    assert 0 < (both["probability"] - both["probability_before"]).std() < 0.005


def test_a_row_knows_the_views_that_were_over_before_and_its_own(world: World) -> None:
    log = world.log
    rows = np.flatnonzero(log.run_viewers[log.runs] < 200)
    rows = rows[np.lexsort((log.ends[rows], log.run_viewers[log.runs[rows]]))]
    repeats = np.zeros(len(log.run_viewers))
    tastes = draw_tastes(world.parameters, log.has_tag, 2, seed=1)
    pairs = ViewerPosterior(log, world.parameters, world.clock, tastes, repeats)._pair(rows)
    own, now = rows[pairs.rows], log.ends[rows[pairs.rows]]
    assert (pairs.lasts[pairs.is_own] == own[pairs.is_own]).all()
    assert np.bincount(pairs.rows, pairs.is_own).tolist() == [1] * len(rows)
    assert (log.runs[pairs.lasts] == pairs.runs).all()
    assert (log.ends[pairs.lasts] < now)[~pairs.is_own].all()
    assert (log.next_ends[pairs.lasts] >= now)[~pairs.is_own].all()
    begun = [
        np.sum(
            (log.run_viewers == log.run_viewers[log.runs[row]])
            & ((log.ends[log.first_views] < log.ends[row]) | (log.first_views == row))
        )
        for row in rows[:300]
    ]
    assert np.bincount(pairs.rows)[:300].tolist() == begun


@pytest.fixture
def rewritten(
    built_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], pl.DataFrame]:
    """The ceiling of a copy of the warehouse, after some SQL."""

    def estimate(statements: str) -> pl.DataFrame:
        path = tmp_path / "copy.duckdb"
        shutil.copy(built_warehouse, path)
        monkeypatch.setenv("WAREHOUSE_PATH", str(path))
        with open_warehouse() as connection:
            for statement in statements.split(";"):
                connection.execute(statement).fetchall()
            return ceiling_probabilities(connection, ALL_VIEWERS, seed=1)

    return estimate


@pytest.mark.parametrize("place", [200, 900])
def test_nothing_is_known_before_it_happens(
    world: World, rewritten: Callable[[str], pl.DataFrame], place: int
) -> None:
    """On the log cut at the instant of a row, that row and all before have the same probability."""
    cut = world.rows["as_of"].sort()[place]
    cut_off = rewritten(
        f"delete from marts.fct_episode_views where ended_at > timestamp '{cut}';"
        f"delete from marts.feat_next_episode where as_of > timestamp '{cut}';"
        f"delete from marts.dim_viewers where signed_up_at > timestamp '{cut}'"
    )
    both = cut_off.join(world.rows, on="event_id", suffix="_before")
    assert both.height == cut_off.height == (world.rows["as_of"] <= cut).sum()
    assert (both["probability"] - both["probability_before"]).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ("delete from truth.effects", "not simulated"),
        ("update truth.effects set source = 'events'", "not simulated"),
        ("delete from truth.effects where effect = 'gap_binge'", "no gap_binge"),
        ("delete from marts.fct_episode_views where episode_number = 2", "skipped"),
        ("delete from marts.fct_episode_views", "no views"),
        ("update marts.dim_viewers set acquisition_channel = 'mail'", "channels"),
        ("update marts.feat_next_episode set split = 'open'", "no test row"),
        (
            "delete from marts.fct_episode_views where user_id in "
            "(select max(user_id) from marts.feat_next_episode where split = 'test' and label is not null)",
            "dbt build",
        ),
    ],
)
def test_a_log_of_another_making_has_no_ceiling_and_the_reason_is_said(
    rewritten: Callable[[str], pl.DataFrame], statements: str, reason: str
) -> None:
    with pytest.raises(NoCeilingError, match=reason):
        rewritten(statements)
