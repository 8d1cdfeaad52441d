"""The commands gensort and valsort."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.process import with_ours
from benchmarks.sorting import validator
from benchmarks.sorting.cli import parse_count
from benchmarks.sorting.records import records
from driver.cli import main
from mapreduce.errors import ConfigError
from tests.services import s3_servers

if TYPE_CHECKING:
    import numpy as np


class Cli:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Cli(capsys)


def test_generate_and_validate(cli: Cli) -> None:
    """The first record is the public one; what is said is what the public programs say."""
    assert cli("gensort", "1", "one")[:2] == (0, "Records: 1\nChecksum: 9ea593a0\n")
    code, out, err = cli("valsort", "one")
    assert code == 0
    assert out == "Records: 1\nChecksum: 9ea593a0\nDuplicate keys: 0\nSUCCESS - all records are in order\n"
    assert err.startswith("100 B in ")


def test_options_of_gensort(cli: Cli) -> None:
    """Each reaches the generator."""
    code, out, _ = cli(
        *("gensort", "1k", "folder", "--format=ascii", "--skewed", "--start=1152921504606846476"),
        *("--parts=2", "--workers=1", "--json"),
    )
    told = json.loads(out)
    assert (code, told["records"], told["checksum"]) == (0, 1000, "1f0140ea83d")
    assert told["files"] == [os.path.abspath(f"folder/part-0000{part}") for part in (0, 1)]
    assert Path("folder/part-00001").read_bytes()[-2:] == b"\r\n"
    assert cli("gensort", "2", "tera", "--format=teragen")[0] == 0
    assert Path("tera").read_bytes() == records(0, 2, "teragen").tobytes()


def test_unordered_records(cli: Cli) -> None:
    """They are named by index, part and keys, and the exit code is not 0."""
    Path("a").write_bytes(records(0, 2, "ascii").tobytes())
    Path("b").write_bytes(records(2, 2, "ascii").tobytes())
    code, out, _ = cli("valsort", "a", "b")
    folder = os.getcwd()
    assert code == 1
    assert out.splitlines() == [
        "First unordered record is record 2",
        "Records: 4",
        f"Checksum: {sum(map(crc, records(0, 4, 'ascii'))):x}",
        "ERROR - there are 2 unordered records",
        f"  record 2, 0 of {folder}/b: key 'uI^EYm8s=|' after '~sHd0jDv6X'",
        f"  record 3, 1 of {folder}/b: key 'Q)JN)R9z-L' after 'uI^EYm8s=|'",
    ]


def crc(row: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    """By zlib."""
    return zlib.crc32(row.data)


def test_many_unordered_records(cli: Cli) -> None:
    """A few are told, the others counted; keys that cannot be printed are hexadecimal."""
    Path("all").write_bytes(records(0, 1000).tobytes())
    code, out, _ = cli("valsort", "all")
    assert code == 1
    assert "ERROR - there are 483 unordered records\n" in out
    assert f"record 2, 2 of {os.getcwd()}/all: key 45979353dbed5329365c after 95e0e48262b3edfe0447\n" in out
    assert out.endswith("  and 473 more\n")


def test_document(cli: Cli) -> None:
    """For machines all of it is one document, whatever was found."""
    Path("x").write_bytes(records(0, 3).tobytes())
    code, out, _ = cli("valsort", "x", "--json", "--workers=1")
    told = json.loads(out)
    assert told.pop("seconds") > 0
    assert code == 1
    assert told == {
        "in_order": False,
        "records": 3,
        "checksum": f"{sum(map(crc, records(0, 3))):x}",
        "duplicates": 0,
        "unordered": 1,
        "misplaced": [
            {
                "record": 2,
                "part": os.path.abspath("x"),
                "record_of_part": 2,
                "key": "45979353dbed5329365c",
                "key_before": "95e0e48262b3edfe0447",
            }
        ],
        "parts": [{"url": os.path.abspath("x"), "records": 3}],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gensort", "many", "x"), "RECORDS: 'many' is no number of records; write it like 10000000, 10M or 1.5G"),
        (("gensort", "1GB", "x"), "RECORDS: '1GB' is no number of records; write it like 10000000, 10M or 1.5G"),
        (("gensort", "1.5", "x"), "RECORDS: '1.5' is no whole number of records"),
        (("gensort", "1", "x", "--start=0x10"), "--start: '0x10' is no number of records; .*"),
        (("gensort", "1", f"--start={2**128}", "x"), "1 records from number 3.* on: record numbers have 128 bits"),
        (("gensort", "1", "absent/x"), "cannot write .*/absent/x: No such file or directory"),
        (("valsort", "absent"), "the input 'absent' matches no file .*"),
        (("valsort", "short"), ".*/short has 99 bytes, .*"),
    ],
)
def test_errors_are_sentences(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    """One line that says what is wrong."""
    Path("short").write_bytes(bytes(99))
    code, out, err = cli(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert re.fullmatch(message, err.removeprefix("Error: ").strip())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("10000000", 10**7),
        ("10M", 10**7),
        ("1.5k", 1500),
        ("2G", 2 * 10**9),
        ("1t", 10**12),
        (str(2**127), 2**127),
    ],
)
def test_counts(text: str, count: int) -> None:
    """As people write them."""
    assert parse_count(text, "RECORDS") == count


@pytest.mark.parametrize("text", ["", "-1", "1e6", "M", "10 M", "1.", "0.0001K", "٣", "10MB"])
def test_no_counts(text: str) -> None:
    """What has no plain meaning is refused."""
    with pytest.raises(ConfigError, match=r"^RECORDS: .* is no (whole )?number of records"):
        parse_count(text, "RECORDS")


@pytest.mark.process
def test_parts_on_s3(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes read them from a server, as the options say."""
    monkeypatch.setattr(validator, "_RANGE", 333)
    server = s3_servers.seaweedfs()
    s3_servers.use(server.key, monkeypatch)
    bucket, _, prefix = s3_servers.place().partition("/")
    for part in range(2):
        rows = records(500 * part, 500)
        server.client().put_object(Bucket=bucket, Key=f"{prefix}/part-{part}", Body=rows.tobytes())
    code, out, _ = cli("valsort", f"s3://{bucket}/{prefix}/", f"--endpoint-url={server.endpoint}", "--workers=2")
    assert code == 1
    assert out.splitlines()[1:4] == [
        "Records: 1000",
        "Checksum: 1ea6370b955",
        "ERROR - there are 483 unordered records",
    ]
    assert f"record 2, 2 of s3://{bucket}/{prefix}/part-0: key" in out


@pytest.mark.process
def test_help_is_light() -> None:
    """`mapreduce --help` imports the commands, so these import nothing heavy."""
    code = (
        "import sys, benchmarks.sorting.cli;"
        " sys.exit(' '.join({'numpy', 'rich', 'multiprocessing'} & {*sys.modules}) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], env=with_ours(), check=True)
