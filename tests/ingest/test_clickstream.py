"""The generated clickstream: the planted model is what the log follows, and the log alone doesn't tell it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from ingest_samples import anime_entry, json_lines, manifest, query
from scipy import stats

from ingest.making.clickstream.model import (
    END,
    START,
    Clickstream,
    _matrix,
    load_config,
    simulate_clickstream,
)
from ingest.making.clickstream.traits import conversion_probabilities, plant

CONFIG = load_config()


@pytest.fixture(scope="module")
def log() -> Clickstream:
    return simulate_clickstream(CONFIG, seed=42)


@pytest.fixture(scope="module")
def pairs(log: Clickstream) -> pl.DataFrame:
    """How often each event follows each, by persona, (start) and (end) among them: one row per pair met."""
    ordered = log.events.join(log.personas, on="user_id").sort("session_id", "occurred_at", "event_id")
    inside = ordered.select(
        "persona",
        to_event="event_name",
        from_event=pl.col("event_name").shift(1).over("session_id").fill_null(START),
    )
    ends = ordered.group_by("session_id", maintain_order=True).last()
    ends = ends.select("persona", to_event=pl.lit(END), from_event="event_name")
    return pl.concat([inside, ends]).group_by("persona", "from_event", "to_event").len("count")


def test_the_same_seed_gives_the_same_log_and_another_seed_another(log):
    again, other = simulate_clickstream(CONFIG, seed=42), simulate_clickstream(CONFIG, seed=43)
    assert log.events.equals(again.events) and log.retention.equals(again.retention)
    assert not log.events.equals(other.events)


def test_transitions_are_probabilities(log):
    sums = log.transitions.group_by("persona", "from_event").agg(pl.col("probability").sum())
    assert len(sums) == 4 * 8
    assert np.allclose(sums["probability"], 1)


def test_what_was_not_planted_never_happens(log, pairs):
    never = log.transitions.filter(pl.col("probability") == 0)
    assert pairs.join(never, on=["persona", "from_event", "to_event"], how="semi").is_empty()


def test_the_log_follows_the_planted_transitions(log, pairs):
    """A chi-square test for each persona and event; of 29 or so, the smallest p-value is no surprise."""
    planted = log.transitions.filter(pl.col("probability") > 0)
    table = planted.join(pairs, on=["persona", "from_event", "to_event"], how="left").fill_null(0)
    p_values = []
    for _, row in table.group_by("persona", "from_event"):
        expected = row["probability"].to_numpy() * row["count"].sum()
        if len(row) > 1 and expected.min() >= 5:
            p_values.append(stats.chisquare(row["count"].to_numpy(), expected).pvalue)
    assert len(p_values) >= 15
    assert min(p_values) * len(p_values) > 0.01


def with_traits(log: Clickstream) -> pl.DataFrame:
    """The log, its users' traits and persona and its events' outlooks beside it, in order."""
    fields = [
        pl.col("properties").str.json_path_match(f"$.{name}").alias(name) for name in ("country", "plan")
    ]
    events = (
        log.events.with_columns(fields).join(log.personas, on="user_id").join(log.outlooks, on="event_id")
    )
    return events.sort("session_id", "occurred_at", "event_id")


def test_a_user_has_one_country_and_plan_by_share(log):
    users = with_traits(log).group_by("user_id").agg(pl.col("country", "plan").n_unique())
    assert users["country"].max() == users["plan"].max() == 1
    for name, country in CONFIG.traits.countries.items():
        of_country = with_traits(log).unique("user_id").filter(pl.col("country") == name)
        members = (of_country["plan"] == "member").sum()
        assert stats.binomtest(members, of_country.height, country.member_probability).pvalue > 0.005, name
        assert stats.binomtest(of_country.height, CONFIG.users, country.share).pvalue > 0.005, name


def test_a_plan_multiplies_the_odds_of_each_step_to_a_purchase_and_of_nothing_else(log):
    """Of buyers in one country; what else may follow keeps its proportions."""
    states = [START, *CONFIG.events]
    base = _matrix(CONFIG, CONFIG.personas["buyer"])
    planted = plant(CONFIG.traits, base[None], CONFIG.events)[0]
    assert np.allclose(planted.sum(axis=-1), 1)
    for place, country in enumerate(CONFIG.traits.countries.values()):
        for plan, ratio in ((0, country.odds_ratio), (1, 2.0 * country.odds_ratio)):
            matrix = planted[place, plan]
            for row, state in enumerate(states):
                steps = [after for before, after in CONFIG.traits.conversion_steps if before == state]
                others = [column for column in range(9) if [*states, END][column] not in steps]
                assert np.allclose(
                    matrix[row, others] * base[row, others].sum(),
                    base[row, others] * matrix[row, others].sum(),
                )
                for column in (states.index(step) for step in steps):
                    odds = matrix[row, column] / (1 - matrix[row, column])
                    assert odds == pytest.approx(ratio * base[row, column] / (1 - base[row, column]))


def test_what_converts_is_what_was_expected(log):
    """Of sessions' first events: sums of outlooks are off by as much as chance has it."""
    goal = pl.col("event_name") == "purchase"
    events = with_traits(log).with_columns(
        converts=goal.cast(pl.Int64).cum_sum(reverse=True).over("session_id") - goal.cast(pl.Int64) > 0
    )
    firsts = events.group_by("session_id", maintain_order=True).first()
    z = []
    for by in (["persona", "plan"], ["event_name"], ["country", "plan"]):
        for _, group in firsts.group_by(by):
            p = group["p_converts"].to_numpy()
            if (p * (1 - p)).sum() > 5:
                z.append((group["converts"].sum() - p.sum()) / np.sqrt((p * (1 - p)).sum()))
    assert len(z) >= 12 and np.abs(z).max() < 3.5
    assert 0.3 < np.mean(np.square(z)) < 2.2
    # By hand: one way out of two to the goal, and back to the start else: h = 1/2 + 1/4 h.
    loop = np.array([[0.0, 0.5, 0.25, 0.25], [0, 0, 0, 1.0], [1.0, 0, 0, 0]])
    assert conversion_probabilities(loop, 1) == pytest.approx([2 / 3, 0, 2 / 3])


def test_the_effect_of_the_plan_is_that_of_a_log_in_which_all_are_members_or_none():
    """Simulated: the same many users, once all of them free and once all members."""
    traits, rates = CONFIG.traits, {}
    for plan, probability in (("free", 0.0), ("member", 1.0)):
        countries = {n: replace(one, member_probability=probability) for n, one in traits.countries.items()}
        config = replace(CONFIG, users=4_000, traits=replace(traits, countries=countries))
        made = simulate_clickstream(config, seed=5)
        sessions = made.events.group_by("session_id").agg((pl.col("event_name") == "purchase").any())
        rates[plan] = sessions["event_name"].mean()
        [planted] = made.effects.filter(pl.col("effect") == "plan_average_effect")["size"]
    assert rates["member"] - rates["free"] == pytest.approx(planted, abs=0.01)


def test_the_naive_difference_is_far_from_the_effect(log):
    sizes = dict(log.effects.select("effect", "size").iter_rows())
    assert sizes["plan_log_odds"] == pytest.approx(np.log(2))
    assert 1.4 < sizes["plan_naive_difference"] / sizes["plan_average_effect"] < 3
    sessions = (
        with_traits(log)
        .group_by("session_id")
        .agg(pl.col("plan").first(), converts=(pl.col("event_name") == "purchase").any())
    )
    rates = dict(sessions.group_by("plan").agg(pl.col("converts").mean()).iter_rows())
    assert rates["member"] - rates["free"] == pytest.approx(sizes["plan_naive_difference"], abs=0.02)


def test_personas_have_their_shares(log):
    counts = dict(log.personas["persona"].value_counts().iter_rows())
    expected = {name: persona.share * CONFIG.users for name, persona in CONFIG.personas.items()}
    assert stats.chisquare([counts[name] for name in expected], list(expected.values())).pvalue > 0.01


def test_users_return_with_their_personas_probability(log):
    """A second session, among those whose first is early enough for it to come within the log."""
    first = log.events.group_by("user_id").agg(pl.col("occurred_at").min(), pl.col("session_id").n_unique())
    early = first.filter(pl.col("occurred_at") < pl.lit(CONFIG.start) + pl.duration(days=CONFIG.days // 3))
    users = early.join(log.personas, on="user_id")
    for (name,), group in users.group_by("persona"):
        returned, probability = (group["session_id"] > 1).sum(), CONFIG.personas[name].return_probability
        assert stats.binomtest(returned, len(group), probability).pvalue > 0.005, name


def test_the_gap_tells_the_sessions_of_the_log(log):
    """Within a session events are closer than half an hour, sessions of a user further apart."""
    ordered = log.events.sort("user_id", "occurred_at", "event_id")
    gaps = ordered.select(
        is_same=(pl.col("session_id") == pl.col("session_id").shift(1)),
        gap=(pl.col("occurred_at") - pl.col("occurred_at").shift(1)).over("user_id").dt.total_microseconds(),
    ).drop_nulls()
    within, between = gaps.filter("is_same")["gap"], gaps.filter(~pl.col("is_same"))["gap"]
    gap = 1_800 * 1_000_000
    assert within.min() > 0 and within.max() < gap < between.min()
    assert ordered.group_by("session_id").agg(pl.col("user_id").n_unique())["user_id"].max() == 1


def test_a_cart_holds_what_was_viewed_last(log):
    ordered = log.events.sort("session_id", "occurred_at", "event_id")
    viewed = pl.when(pl.col("event_name") == "view_item").then("item_id").forward_fill().over("session_id")
    bought = ordered.with_columns(viewed=viewed).filter(pl.col("event_name") == "purchase")
    assert len(bought) > 500 and (bought["item_id"] == bought["viewed"]).all()


def test_true_retention_is_that_of_another_large_log(log):
    """Day-7 retention of 20,000 other users, by hand, agrees within the error of both."""
    large = simulate_clickstream(replace(CONFIG, users=20_000), seed=7).events
    days = large.select("user_id", day=pl.col("occurred_at").dt.date()).unique()
    days = days.with_columns(since=(pl.col("day") - pl.col("day").min().over("user_id")).dt.total_days())
    last_first = CONFIG.start.date().toordinal() + CONFIG.days - 1 - 7
    starts = days.filter(
        (pl.col("since") == 0)
        & (pl.col("day").map_elements(lambda day: day.toordinal() <= last_first, pl.Boolean))
    )
    members = starts.height
    active = days.filter(pl.col("since") == 7).join(starts, on="user_id", how="semi").height
    [true_value] = log.retention.filter(pl.col("days_since_first") == 7)["probability"]
    assert abs(active / members - true_value) < 4 * np.sqrt(0.1 * 0.9 * (1 / members + 1 / 30_000))


def test_it_is_made_when_there_is_no_log_and_never_beside_one(ingest, write):
    ingest()
    assert [row[:2] for row in manifest("clickstream")] == [
        ("simulated", "simulated: users=1500 days=120 seed=42")
    ]
    assert "clickstream (simulated): loaded already" in ingest()
    assert query("select count(distinct persona), count(*) from truth.personas") == [(4, 1500)]
    columns = query(
        "select column_name from duckdb_columns() where table_name = 'events' and schema_name = 'raw'"
    )
    assert not any("persona" in name for (name,) in columns)
    keys = ["channel", "country", "device", "plan"]
    assert query("select distinct json_keys(properties) from raw.events") == [(keys,)]
    assert query("select count(*) from truth.conversion_outlooks") == query("select count(*) from raw.events")


def test_a_log_of_the_users_own_needs_no_stand_in(ingest, write):
    own = write("own.csv", "user_id,timestamp,event_type\na,2024-03-01,open\n")
    ingest("events", own, "--source", "shop")
    assert "shop (real): loaded already" in ingest()
    assert manifest("clickstream") == []


def test_a_new_one_takes_the_place_of_the_old_one_and_of_nothing_else(ingest, write):
    ingest("events", write("own.csv", "user_id,timestamp,event_type\na,2024-03-01,open\n"))
    ingest("clickstream", "--users", "50")
    assert "nothing to do" in ingest("clickstream", "--users", "50")
    ingest("clickstream", "--users", "40", "--days", "30", "--seed", "7")
    assert [row[6] for row in manifest("clickstream")] == [False, True]
    assert query("select source, count(distinct user_id) from raw.events group by 1 order by 1") == [
        ("clickstream", 40),
        ("events", 1),
    ]
    assert query("select count(*) from truth.personas") == [(40,)]
    assert query("select max(days_since_first) from truth.retention") == [(29,)]
    assert query("select count(*), count(distinct effect) from truth.effects") == [(11, 11)]


def test_each_simulator_keeps_its_effects(ingest, write):
    simulated = ("simulate", "--viewers", "20", "--days", "20")
    ingest("anime", write("release.jsonl", json_lines(*map(anime_entry, range(1, 20)))))
    ingest(*simulated)
    ingest("clickstream", "--users", "20")
    by_source = "select source, count(*) > 5 from truth.effects group by source order by source"
    both = [("clickstream", True), ("viewing", True)]
    assert query(by_source) == both
    ingest(*simulated, "--seed", "7")
    ingest("clickstream", "--users", "21")
    assert query(by_source) == both
    assert query("select count(*) from truth.effects where source = 'clickstream'") == [(11,)]
    ingest("remove", "viewing")
    assert query(by_source) == both[:1]


@pytest.mark.parametrize("option", ["--users", "--days"])
def test_a_clickstream_that_cannot_be_made_is_one_line(option, ingest_fails):
    assert "a clickstream has 1 to" in ingest_fails("clickstream", option, "0")
