"""Every model is SQL that Spark understands, of the types that its contract names: Spark's own verdict."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from ingest.__main__ import main as ingest
from tests.pipeline import PROJECT, run_dbt

pytestmark = [pytest.mark.spark, pytest.mark.spark_build]

SPARK_TYPES = {"varchar": "string", "integer": "int"}
# How often a model's plan may read a long table: each read of a union's branch is work done anew.
READS = {
    "int_user_windows": ("fct_user_days", 1),
    "int_user_window_activity": ("fct_events", 1),
    "fct_cohort_retention": ("int_cohort_returns", 1),
    # Whoever was active, and what that changes later.
    "fct_lifecycle_daily": ("fct_user_days", 2),
}
LADDER = ("fct_events", "int_sessions_aggregated", "fct_user_days")
# What only Spark tells of: DuckDB runs all of these.
PLANTED = {
    "planted_function": "select epoch(occurred_at) as seconds from {{ ref('fct_events') }}",
    "planted_word": "with stream as (select 1 as a) select * from stream inner join stream as b on b.a = 1",
    "planted_generator": "select {{ explode_list(number_list('1', '12')) }} * 14 as days_count",
    "planted_ladder": "{{ merge_delete_insert('arrivals', 'held', ['source', 'user_id'], "
    "['source', 'user_id', 'events_count', 'load_number']) }}",
}


@pytest.fixture(scope="module")
def compiled(
    spark: Any, raw_warehouse: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict]]:
    """The nodes of all models for Spark, with planted ones: of a first run, and of an incremental one."""
    project = tmp_path_factory.mktemp("on_spark")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, project)
    shutil.copytree(PROJECT / "dbt_project", project / "dbt_project")
    for name, sql in PLANTED.items():
        (project / "dbt_project" / "models" / f"{name}.sql").write_text(sql)
    nodes = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(raw_warehouse))
        patch.setenv("LAKE_PATH", str(project / "lake"))
        assert ingest(["publish", str(project / "lake")]) == 0
        for run, selection in (("first", "fqn:*"), ("incremental", "config.materialized:incremental")):
            if run == "incremental":
                override = "{% macro is_incremental() %}{{ return(true) }}{% endmacro %}"
                (project / "dbt_project" / "macros" / "is_incremental.sql").write_text(override)
            target = project / run
            run_dbt("compile", target, "--target", "spark", "--select", selection, project=project)
            nodes[run] = list(json.loads((target / "manifest.json").read_text())["nodes"].values())
    return nodes


@pytest.fixture(scope="module")
def faults(spark: Any, compiled: dict[str, list[dict]]) -> Iterator[dict[str, str]]:
    """What Spark says to each model, in the order of building; those it understands are not in it."""
    nodes = {
        node["unique_id"]: node for node in compiled["first"] if node["resource_type"] in ("model", "seed")
    }
    forget_schemas(spark)
    found: dict[str, str] = {}
    for node in in_order(nodes):
        fault = declare(spark, node)
        if fault:
            found[node["name"]] = fault
    yield found
    forget_schemas(spark)


def forget_schemas(spark: Any) -> None:
    """The session is shared: what other tests built in it lies elsewhere, and would be in the way."""
    for schema in ("staging", "intermediate", "marts"):
        spark.sql(f"drop database if exists {schema} cascade")


def in_order(nodes: dict[str, dict]) -> Iterator[dict]:
    """Nodes after those they are made of."""
    done: set[str] = set()

    def visit(key: str) -> Iterator[dict]:
        if key in nodes and key not in done:
            done.add(key)
            for parent in nodes[key]["depends_on"].get("nodes", []):
                yield from visit(parent)
            yield nodes[key]

    for key in nodes:
        yield from visit(key)


def declare(spark: Any, node: dict) -> str | None:
    """Have Spark analyse a model, and keep its columns for those that read it; tell what it refuses."""
    spark.sql(f"create database if not exists {node['schema']}")
    name = f"{node['schema']}.{node['alias']}"
    try:
        columns = spark.sql(node.get("compiled_code") or seed_columns(node)).schema
    except Exception as error:
        return str(error).splitlines()[0]
    spark.sql(f"drop table if exists {name}")
    spark.catalog.createTable(name, schema=columns, source="parquet")
    if not node.get("contract", {}).get("enforced"):
        return None
    found = {column.name: column.dataType.simpleString() for column in columns}
    promised = {name: spark_type(column["data_type"]) for name, column in node["columns"].items()}
    return None if found == promised else f"{found.items() ^ promised.items()}"


def seed_columns(node: dict) -> str:
    with (PROJECT / node["original_file_path"]).open(newline="") as file:
        names = next(csv.reader(file))
    return "select " + ", ".join(f"'' as {name}" for name in names)


def spark_type(name: str) -> str:
    if name.endswith("[]"):
        return f"array<{spark_type(name[:-2])}>"
    return SPARK_TYPES.get(name, name)


def test_spark_understands_every_model_and_gives_the_types_it_promises(faults: dict[str, str]) -> None:
    # The planted ones show that it looks closely.
    assert set(faults) == set(PLANTED), faults
    assert "UNRESOLVED_ROUTINE" in faults["planted_function"]
    assert "UNSUPPORTED_GENERATOR" in faults["planted_generator"]


@pytest.mark.parametrize(("model", "table", "times"), [(model, *reads) for model, reads in READS.items()])
def test_spark_reads_a_long_table_no_more_often_than_it_must(
    spark: Any, faults: dict[str, str], compiled: dict[str, list[dict]], model: str, table: str, times: int
) -> None:
    [node] = [node for node in compiled["first"] if node["name"] == model]
    plan = spark.sql(node["compiled_code"])._jdf.queryExecution().optimizedPlan().toString()
    assert len(re.findall(rf"Relation \S+\.{table}\[", plan)) == times


@pytest.mark.parametrize("model", LADDER)
def test_spark_understands_the_ladder_as_it_grows(
    spark: Any, faults: dict[str, str], compiled: dict[str, list[dict]], model: str
) -> None:
    [node] = [node for node in compiled["incremental"] if node["name"] == model]
    assert f"`{model}`" in node["compiled_code"] or f".{model}" in node["compiled_code"]
    assert spark.sql(node["compiled_code"]).columns == list(node["columns"])


def merge_statement(compiled: dict[str, list[dict]]) -> str:
    [node] = [node for node in compiled["first"] if node["name"] == "planted_ladder"]
    return node["compiled_code"]


def test_spark_parses_the_ladders_one_statement(spark: Any, compiled: dict[str, list[dict]]) -> None:
    parser = spark._jsparkSession.sessionState().sqlParser()
    assert "MergeIntoTable" in parser.parsePlan(merge_statement(compiled)).toString()


def test_the_ladders_one_statement_deletes_and_inserts(compiled: dict[str, list[dict]]) -> None:
    """What comes in reads the very table that it replaces rows of; a user who has no row left is not kept."""
    with duckdb.connect() as connection:
        connection.execute("""
            create table held (source varchar, user_id varchar, events_count bigint, load_number bigint);
            insert into held
            values ('shop', 'a', 1, 1), ('shop', 'a', 2, 1), ('shop', 'b', 3, 1), ('web', 'a', 4, 1);
            create view arrivals as
            select source, user_id, sum(events_count) as events_count, 2 as load_number
            from held where source = 'shop' and user_id = 'a' group by all
            union all select 'shop', 'c', 5, 2 union all select 'shop', 'c', 5, 2
        """)
        connection.execute(merge_statement(compiled))
        assert connection.execute("from held order by all").fetchall() == [
            ("shop", "a", 3, 2),
            ("shop", "b", 3, 1),
            ("shop", "c", 5, 2),
            ("shop", "c", 5, 2),
            ("web", "a", 4, 1),
        ]


def test_a_session_in_another_time_zone_is_refused(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake.json").write_text('{"lake_version": 1}\n')
    profile = (PROJECT / "profiles.yml").read_text()
    berlin = profile.replace("timeZone: UTC", "timeZone: Europe/Berlin")
    assert berlin != profile
    (tmp_path / "profiles.yml").write_text(berlin)
    monkeypatch.setenv("LAKE_PATH", str(tmp_path))
    folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(tmp_path), "--target-path", str(tmp_path)]
    command = ["--quiet", "--log-path", str(tmp_path), "run", "--target", "spark"]
    try:
        result = dbtRunner().invoke([*command, *folders, "--select", "stg_ingest__loads"])
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    told = "the Spark session is in the time zone Europe/Berlin and would cut days there: set spark.sql."
    assert not result.success and told in str(result.exception)
