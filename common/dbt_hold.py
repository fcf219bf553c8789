"""Has dbt hold the warehouse from its first query to its last, so that a build sees one state of it.

dbt-duckdb knows two ways: to close the file whenever no query runs, and other programs get in between, or to
keep it open until the process ends, and no stage in the same process can open it. This plugin of it, named in
profiles.yml, opens the file by the one door before dbt does, and lets go when the command is over.
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
from common.warehouse import CONFIG, connect

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

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Called before dbt connects: what it connects to is then the database that is held here.

        Raises:
            DbtRuntimeError: the warehouse can't be opened, or lacks what ingest adds to it, in one line.
        """
        config |= CONFIG
        if self._held:
            return
        try:
            held = connect(Path(creds.path), config)
        except UserError as error:
            raise DbtRuntimeError(str(error)) from error
        if held.execute(UNNUMBERED).fetchall():
            held.close()
            raise DbtRuntimeError(f"{creds.path} is of an older version: run `python -m ingest` once")
        self._held = held
        get_event_manager().add_callback(self._let_go)

    def _let_go(self, event: EventMsg) -> None:
        # Sent however a command ends. dbt's own connections are closed right after it.
        if event.info.name == "CommandCompleted" and self._held:
            self._held.close()
            self._held = None
