"""DuckDB: lines split, unnested and grouped in SQL."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import duckdb

from ..common import arguments, part

if __name__ == "__main__":
    given = arguments()
    database = duckdb.connect(config={"threads": given.workers, "preserve_insertion_order": False})
    database.execute(
        f"""
        COPY (
            SELECT word, count(*) FROM (
                SELECT unnest(string_split(line, ' ')) AS word FROM read_csv(
                    {given.files}, columns={{'line': 'VARCHAR'}}, delim='\x01', quote='', escape='', header=false,
                    auto_detect=false, strict_mode=false, max_line_size=10000000
                )
            ) WHERE word <> '' GROUP BY word
        ) TO '{part(given.output)}' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '', ESCAPE '')
        """  # noqa: S608 - paths of our own, which DuckDB takes in no other way
    )
