"""Whether DuckDB and Spark make the same marts of the same raw tables: `python -m benchmarks.parity`.

Compares all marts of the warehouse (WAREHOUSE_PATH) with those that Spark built over its lake (LAKE_PATH),
as bags of rows, doubles to 9 significant digits; exit code 1 on any difference. With `--vars
'{session_gap_seconds: 600}'` both are built with these vars first, elsewhere, from the warehouse's raw
tables: it and its lake stay as they are.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from dbt.cli.main import dbtRunner

from common.errors import UserError, listed, run_command
from common.quoting import quote_identifier, quote_text
from common.warehouse import open_warehouse, warehouse_path
from ingest.__main__ import main as ingest

# What lies on the edge of two roundings, such as 883 / 1024, is moved off it: the engines' logarithms differ
# in the last bit.
OFF_THE_EDGE = "1.0000000000003"
PRINTED = {
    "DOUBLE": f"printf('%.8e', {{0}} * {OFF_THE_EDGE} + 0.0)",
    # Spark's are instants.
    "TIMESTAMP WITH TIME ZONE": "timezone('UTC', {0})",
}


@dataclass(frozen=True)
class Comparison:
    """A mart's rows on both engines, and those that only one of them has."""

    mart: str
    duckdb_count: int
    spark_count: int
    only_duckdb_count: int
    only_spark_count: int

    @property
    def is_equal(self) -> bool:
        return self.only_duckdb_count == self.only_spark_count == 0


def main(arguments: list[str] | None = None) -> int:
    """Print a line a mart; return 0, 1 if any differs, or 2 when the user has something to mend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vars", metavar="YAML", help="dbt's vars to build both with first")
    options = parser.parse_args(arguments)
    found: list[Comparison] = []
    exit_code = run_command(lambda: found.extend(compare(options.vars)))
    if exit_code:
        return exit_code
    for row in found:
        print(
            f"{row.mart:28} {row.duckdb_count:>11,} {row.spark_count:>11,}"
            + (
                ""
                if row.is_equal
                else f"   only DuckDB {row.only_duckdb_count:,}, only Spark {row.only_spark_count:,}"
            )
        )
    equal, rows = sum(row.is_equal for row in found), sum(row.duckdb_count for row in found)
    print(f"{equal} of {len(found)} marts are equal on DuckDB and Spark, row for row ({rows:,} rows)")
    return 0 if equal == len(found) else 1


def compare(variables: str | None) -> list[Comparison]:
    """Compare all marts, built with other vars first if they are given.

    Raises:
        UserError: a mart is missing on one side, or a build fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if variables is not None:
            build_both(folder, variables)
        lake = Path(os.environ.get("LAKE_PATH") or "lake")
        with spark_views(lake, folder) as views, open_warehouse(read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            spark = {path.name: path for path in (lake / "marts").iterdir()} | views
            query = "select table_name from duckdb_tables() where schema_name = 'marts'"
            query += " union all select view_name from duckdb_views() where schema_name = 'marts' order by 1"
            marts = [name for (name,) in connection.execute(query).fetchall()]
            check_names(set(marts), set(spark))
            return [compare_mart(connection, mart, spark[mart]) for mart in marts]


def build_both(folder: Path, variables: str) -> None:
    """Build a copy of the warehouse, and a lake of its raw tables, which the environment then names."""
    copy = folder / "parity.duckdb"
    shutil.copy(warehouse_path(), copy)
    os.environ |= {"WAREHOUSE_PATH": str(copy), "LAKE_PATH": str(folder / "lake")}
    build = ["build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    run_dbt(*build, "--vars", variables)
    if ingest(["publish", os.environ["LAKE_PATH"]]):
        raise UserError("the raw tables could not be published, see above")
    run_dbt(*build, "--vars", variables, "--target", "spark")


def run_dbt(*arguments: str) -> None:
    """Run dbt in this process, where its Spark session stays open.

    Raises:
        UserError: it failed.
    """
    result = dbtRunner().invoke(["--quiet", *arguments])
    if not result.success:
        raise UserError(f"dbt {' '.join(arguments)} failed ({result.exception or 'see above'})")


@contextmanager
def spark_views(lake: Path, folder: Path) -> Iterator[dict[str, Path]]:
    """What Spark has as views, run there and written out: mart -> folder of Parquet."""
    run_dbt("run-operation", "require_utc", "--target", "spark")
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    written = {}
    for (name,) in spark.sql("show views in marts").select("viewName").collect():
        written[name] = folder / "views" / name
        spark.table(f"marts.{name}").write.parquet(str(written[name]))
    yield written
    spark.stop()


def check_names(duckdb_marts: set[str], spark_marts: set[str]) -> None:
    """Raise `UserError` unless both engines have the same marts."""
    for engine, missing in (("Spark", duckdb_marts - spark_marts), ("DuckDB", spark_marts - duckdb_marts)):
        if missing:
            remedy = "dbt build --target spark" if engine == "Spark" else "dbt build"
            raise UserError(f"{engine} has no {listed(sorted(missing))}: run `{remedy}`")


def compare_mart(connection: duckdb.DuckDBPyConnection, mart: str, spark: Path) -> Comparison:
    """Count the rows of a mart on both sides, and those without a match on the other."""
    here, there = f"marts.{quote_identifier(mart)}", f"read_parquet({quote_text(f'{spark}/*.parquet')})"
    columns = [name for name, *_ in connection.execute(f"describe from {here}").fetchall()]
    one, other = (printed(connection, relation, columns) for relation in (here, there))
    counts = [
        f"select count(*) from {here}",
        f"select count(*) from {there}",
        f"select count(*) from ({one} except all {other})",
        f"select count(*) from ({other} except all {one})",
    ]
    return Comparison(mart, *(connection.execute(count).fetchone()[0] for count in counts))


def printed(connection: duckdb.DuckDBPyConnection, relation: str, columns: list[str]) -> str:
    """The query of a relation's columns as they are compared."""
    types = {name: kind for name, kind, *_ in connection.execute(f"describe from {relation}").fetchall()}
    if set(types) != set(columns):
        raise UserError(f"{relation} has other columns than the warehouse: build both with the same version")
    shown = [PRINTED.get(types[name], "{0}").format(quote_identifier(name)) for name in columns]
    return f"select {', '.join(shown)} from {relation}"


if __name__ == "__main__":
    sys.exit(main())
