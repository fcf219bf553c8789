"""How fast new rows are scored, and in how much memory: `python -m benchmarks.scoring [--rows N]`.

On a copy of a warehouse with a next_episode model, whose mart is made as large as wanted by rows that no
training has seen; features are read and scores written, in a process of its own.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common.warehouse import open_warehouse, warehouse_path
from ml.store import models_folder
from ml.tasks import NEXT_EPISODE

MART = NEXT_EPISODE.feature_model


def grow(rows: int) -> None:
    """Put `rows` rows into the mart beside its own: these again, under other keys."""
    with open_warehouse() as connection:
        [(own, highest)] = connection.execute(f"select count(*), max(event_id) from {MART}").fetchall()
        connection.execute(
            f"create or replace table {MART} as select * from {MART} union all by name "
            f"(select * replace (event_id + (copy + 1) * ({highest} + 1) as event_id) "
            f"from {MART} cross join range({rows // own + 1}) as copies (copy) limit {rows})"
        )


def copy_warehouse(folder: Path) -> Path:
    """A copy of the warehouse and its models in `folder`."""
    source = warehouse_path()
    shutil.copytree(models_folder(source), folder / models_folder(source).name)
    return Path(shutil.copy(source, folder / source.name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="new rows (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WAREHOUSE_PATH"] = str(copy_warehouse(Path(folder)))
        grow(options.rows)
        subprocess.run([sys.executable, "-m", "ml.score", "--task", NEXT_EPISODE.name], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{options.rows:,} rows: {used.ru_utime + used.ru_stime:.1f} s of processor time with starting up, "
        f"peak memory {used.ru_maxrss / 1024:,.0f} MB"
    )


if __name__ == "__main__":
    main()
