"""DuckDB: records that are lines, read and ordered in SQL."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import duckdb

from ..common import arguments, part

if __name__ == "__main__":
    given = arguments()
    database = duckdb.connect(config={"threads": given.workers})
    database.execute(
        f"""
        COPY (
            SELECT line || chr(13) FROM read_csv(
                {given.files}, columns={{'line': 'VARCHAR'}}, delim='\x01', quote='', escape='', header=false,
                auto_detect=false, strict_mode=false, new_line='\\r\\n'
            ) ORDER BY line
        ) TO '{part(given.output)}' (FORMAT csv, DELIMITER '\x01', HEADER false, QUOTE '', ESCAPE '')
        """  # noqa: S608 - paths of our own, which DuckDB takes in no other way
    )
