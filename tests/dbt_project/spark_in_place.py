"""Run in a process of its own: the staging models of logs in place on Spark, what they hold as Parquet files."""

import sys
from pathlib import Path

from dbt.cli.main import dbtRunner
from pyspark.sql import SparkSession

MODELS = ("stg_events__in_place", "stg_ingest__rejects_in_place")


def main(project: str, folder: str) -> None:
    """Build the models on the lake that LAKE_PATH names, and write `<model>.parquet` folders.

    Each is written as built, where dbt has set ANSI mode off, and as `<model>_ansi.parquet` with it on.
    """
    target = Path(folder) / "target"
    folders = ["--project-dir", project, "--profiles-dir", project, "--target-path", str(target)]
    runner = ["--quiet", "--log-path", str(target), "run", "--target", "spark", *folders, "--select", *MODELS]
    result = dbtRunner().invoke(runner)
    assert result.success, result.exception or [node.message for node in result.result]
    spark = SparkSession.getActiveSession()
    for model in MODELS:
        spark.table(f"staging.{model}").write.parquet(f"{folder}/{model}.parquet")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    for model in MODELS:
        [compiled] = target.glob(f"compiled/**/{model}.sql")
        spark.sql(compiled.read_text(encoding="utf-8")).write.parquet(f"{folder}/{model}_ansi.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
