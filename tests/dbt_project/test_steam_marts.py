"""The Steam marts on the published file, against numbers taken from the file itself."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from common.warehouse import open_warehouse
from ingest.__main__ import main as ingest
from tests.pipeline import run_dbt


def test_the_published_file(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("steam")
    monkeypatch.setenv("WAREHOUSE_PATH", str(folder / "steam.duckdb"))
    file = shared_data / "steam-200k.csv"
    assert ingest(["steam", str(file)]) == 0
    run_dbt(
        "build",
        folder,
        "--select",
        "staging.steam",
        "intermediate.steam",
        "marts.steam",
        "--exclude",
        "resource_type:unit_test",
    )

    hours: dict[str, float] = defaultdict(float)
    games = set()
    with file.open(newline="", encoding="utf-8") as lines:
        for user, game, behaviour, value, _ in csv.reader(lines):
            hours[user] += float(value) if behaviour == "play" else 0.0
            games.add(game)
    playtime = np.round(list(hours.values()), 3)

    with open_warehouse(read_only=True) as connection:
        players, churned, tiers = connection.execute("""
            select count(*), count(*) filter (where is_proxy_churned), count(distinct engagement_tier)
            from marts.fct_player_engagement
        """).fetchone()
        (largest_kept,) = connection.execute(
            "select max(total_hours) from marts.fct_player_engagement where is_proxy_churned"
        ).fetchone()
        (total,) = connection.execute("select sum(total_hours) from marts.fct_player_engagement").fetchone()
        (pairs,) = connection.execute("select count(*) from marts.fct_game_ownership").fetchone()
    assert (players, len(games), pairs) == (12_393, 5_155, 128_804)
    cutoff = np.quantile(playtime, 0.2)
    assert churned == int((playtime <= cutoff).sum())
    assert largest_kept <= cutoff
    assert tiers == 5
    assert total == pytest.approx(playtime.sum(), rel=1e-9)
