"""What dbt asks before a command on the target `spark`: whether Spark and the lake are there to run on.

dbt imports every module called `dbt_…` that it finds, and makes the `plugins` in it: an interface that may
change with each of its versions. Spark itself would tell what is missing in a page of Java or Python, after
it has begun to write.
"""

import json
import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path

from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin
from dbt_common.exceptions import DbtRuntimeError

# Spark 4 runs on no older one.
OLDEST_JAVA = 17
LAKE_VERSION = 1
COMMANDS = {"build", "compile", "run", "seed", "show", "test"}


class SparkRequirements(dbtPlugin):
    """Made by dbt at the start of each command."""

    def initialize(self) -> None:
        """Called before dbt connects.

        Raises:
            DbtRuntimeError: what is missing, in one line; dbt prints it and ends with exit code 2.
        """
        flags = get_flags()
        if flags.TARGET != "spark" or flags.WHICH not in COMMANDS:
            return
        missing = _missing_lake(os.environ.get("LAKE_PATH") or "lake")
        if os.environ.get("SPARK_REMOTE"):
            # A server has a Java, memory and catalogue of its own, and warns of what it leaves unset.
            warnings.filterwarnings("ignore", message="Failed to set spark")
        else:
            missing = missing or _missing_java()
        if missing:
            raise DbtRuntimeError(missing)


def _missing_lake(lake: str) -> str | None:
    # What lies in an object store only Spark can look at.
    if "://" in lake:
        return None
    remedy = f"run `python -m ingest publish {lake}`, or set LAKE_PATH"
    manifest = Path(lake) / "lake.json"
    if not Path(lake).is_dir():
        return f"no lake at {lake}: {remedy}"
    if not manifest.is_file():
        return f"{lake} is no lake, or was never published to its end (it has no lake.json): {remedy}"
    try:
        with manifest.open(encoding="utf-8") as file:
            version = json.loads(file.readline())["lake_version"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{manifest} can't be read as a lake's manifest: {remedy}"
    if version != LAKE_VERSION:
        return f"{lake} is a lake of another version of this project: publish to a new folder with this one"
    return None


def _missing_java() -> str | None:
    remedy = (
        f"install Java {OLDEST_JAVA} (a JRE is enough), or set JAVA_HOME to one, or SPARK_REMOTE to a server"
    )
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    try:
        told = subprocess.run([java or "java", "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"Spark needs Java, and there is none{f' in JAVA_HOME, {home}' if home else ''}: {remedy}"
    version = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    if version and int(version[1]) < OLDEST_JAVA:
        return f"Spark needs Java {OLDEST_JAVA} or newer, and {java} is Java {version[1]}: {remedy}"
    return None


plugins = [SparkRequirements]
