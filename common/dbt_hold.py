"""Has dbt hold the warehouse from its first query to its last, so that a build sees one state of it.

dbt-duckdb knows two ways: to close the file whenever no query runs, and other programs get in between, or to
keep it open until the process ends, and no stage in the same process can open it. This plugin of it, named in
profiles.yml, opens the file by the one door before dbt does, and lets go when the command is over.

With `config: {lake: true}` the file is that of a lake: views over what was published, and what Spark built.
"""

from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.events.base_types import EventMsg
from dbt_common.events.event_manager_client import get_event_manager
from dbt_common.exceptions import DbtRuntimeError

from common.errors import UserError
from common.lake import is_lake, lake_of, read_lake
from common.lake_views import create_views
from common.warehouse import CONFIG, check_lake, connect

# The manifest of loads, in a warehouse from before loads were numbered.
UNNUMBERED = """
    select 1
    from duckdb_columns()
    where schema_name = 'raw' and table_name = 'load_manifest'
    having count(*) > 0 and not list_contains(list(column_name), 'load_number')
"""


class Plugin(BasePlugin):
    """The name that dbt-duckdb looks for."""

    _held: duckdb.DuckDBPyConnection | None = None
    _is_for_lake = False

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Called with what profiles.yml says under `config`."""
        self._is_for_lake = plugin_config.get("lake", False)

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Called before dbt connects: what it connects to is then the database that is held here.

        Raises:
            DbtRuntimeError: the warehouse can't be opened, or lacks what ingest adds to it, in one line.
        """
        config |= CONFIG
        if self._held:
            return
        try:
            held = self._open(Path(creds.path), config)
        except UserError as error:
            raise DbtRuntimeError(str(error)) from error
        if held.execute(UNNUMBERED).fetchall():
            held.close()
            raise DbtRuntimeError(f"{creds.path} is of an older version: run `python -m ingest` once")
        self._held = held
        get_event_manager().add_callback(self._let_go)

    def _open(self, path: Path, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        lake = path.parent
        if not self._is_for_lake:
            if is_lake(path) or lake_of(path):
                raise UserError(f"{path} is a lake: run `dbt run --target lake` (LAKE_PATH names it)")
            return connect(path, config)
        if not is_lake(lake):
            raise UserError(
                f"no lake at {lake}: run `python -m ingest publish {lake}` first, or set LAKE_PATH"
            )
        check_lake(lake)
        held = connect(path, config)
        # The lake may have been moved, or whoever published to it killed before it came to the views.
        try:
            create_views(held, lake, read_lake(lake))
        except duckdb.IOException as error:
            held.close()
            raise UserError(
                f"{lake} lacks files that its manifest names: run `python -m ingest publish {lake}` again"
            ) from error
        return held

    def _let_go(self, event: EventMsg) -> None:
        # Sent however a command ends. dbt's own connections are closed right after it.
        if event.info.name == "CommandCompleted" and self._held:
            self._held.close()
            self._held = None
