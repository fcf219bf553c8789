"""Models as dbt compiled them, run on tables of the test's own: any log in a second, without a run of dbt.

A compiled model names its inputs as `"database"."schema"."name"`; here the database is one in memory.
"""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

PROJECT = Path(__file__).parents[1]
EVENTS = """
    create table {relation} (
        source varchar, user_id varchar, own_session_id varchar, event_id varchar, event_name varchar,
        item_id varchar, occurred_at timestamp, ended_at timestamp, device varchar, properties varchar,
        batch_id varchar, loaded_at timestamp, load_number bigint default 1, revision bigint default 0,
        delivery_number bigint
    )
"""


class CompiledModels:
    """The models of one dbt manifest.

    Args:
        manifest: `manifest.json` of a dbt run in which the models were compiled.
    """

    def __init__(self, manifest: Path) -> None:
        self._manifest: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        self._nodes = {
            node["name"]: node
            for node in self._manifest["nodes"].values()
            if node["resource_type"] in ("model", "seed")
        }

    def sql(self, name: str) -> str:
        """The query of a model, the database's name left out of its tables'."""
        return re.sub(r'"[^"]+"\.("\w+"\."\w+")', r"\1", self._nodes[name]["compiled_code"])

    def relation(self, name: str) -> str:
        node = self._nodes[name]
        return f'"{node["schema"]}"."{node["alias"]}"'

    def build(self, connection: duckdb.DuckDBPyConnection, *names: str) -> None:
        """Make the models, and those they are made of, unless they are there."""
        for name in names:
            if self._exists(connection, name):
                continue
            node = self._nodes[name]
            if node["resource_type"] == "seed":
                self.provide(
                    connection,
                    name,
                    f"from read_csv('{PROJECT / node['original_file_path']}', all_varchar = true)",
                )
                continue
            parents = {name.split(".")[-1] for name in self._manifest["parent_map"][node["unique_id"]]}
            # A full build reads fewer tables than an incremental one, which a comment names to dbt.
            statement = re.sub("--.*", "", self.sql(name))
            self.build(
                connection,
                *(parent for parent in parents & self._nodes.keys() if self.relation(parent) in statement),
            )
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            connection.execute(f'create schema if not exists "{node["schema"]}"')
            connection.execute(f"create {kind} {self.relation(name)} as {self.sql(name)}")

    def provide(self, connection: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame | str) -> None:
        """Put a table of the test's own, rows or a query, where a model stands."""
        connection.execute(f'create schema if not exists "{self._nodes[name]["schema"]}"')
        query = "select * from rows_given" if isinstance(rows, pl.DataFrame) else rows
        if isinstance(rows, pl.DataFrame):
            connection.register("rows_given", rows.to_arrow())
        connection.execute(f"create table {self.relation(name)} as {query}")

    def provide_events(self, connection: duckdb.DuckDBPyConnection, events: pl.DataFrame) -> None:
        """A log as `int_events_unioned`: columns source, user_id, occurred_at, and any more of them.

        Rows were delivered in their order.
        """
        relation = self.relation("int_events_unioned")
        connection.execute('create schema if not exists "intermediate"')
        connection.execute(EVENTS.format(relation=relation))
        connection.register("events_given", events.with_row_index("delivery_number", 1).to_arrow())
        connection.execute(f"insert into {relation} by name select * from events_given")
        connection.unregister("events_given")

    def _exists(self, connection: duckdb.DuckDBPyConnection, name: str) -> bool:
        node = self._nodes[name]
        found = connection.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [node["schema"], node["alias"]],
        )
        return found.fetchone() is not None


def read_frame(connection: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    """The rows of a query."""
    return pl.DataFrame(connection.sql(query).to_arrow_table())
