"""Formats: how input becomes records, and pairs become output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mapreduce.errors import ConfigError
from mapreduce.formats.base import InputFormat, OutputFormat, Segment
from mapreduce.formats.columnar import ArrowInput, ParquetInput
from mapreduce.formats.delimited import CsvInput
from mapreduce.formats.fixed import FixedInput, FixedOutput
from mapreduce.formats.jsonlines import JsonLinesInput, JsonLinesOutput
from mapreduce.formats.pickled import PickleOutput
from mapreduce.formats.text import PairsInput, TextInput, TextOutput

__all__ = [
    "ArrowInput",
    "CsvInput",
    "FixedInput",
    "FixedOutput",
    "InputFormat",
    "JsonLinesInput",
    "JsonLinesOutput",
    "OutputFormat",
    "PairsInput",
    "ParquetInput",
    "PickleOutput",
    "Segment",
    "TextInput",
    "TextOutput",
    "input_format",
    "output_format",
]

_INPUTS: dict[str, Callable[[], InputFormat[Any]]] = {
    "arrow": ArrowInput,
    "csv": CsvInput,
    "jsonl": JsonLinesInput,
    "pairs": PairsInput,
    "parquet": ParquetInput,
    "text": TextInput,
}
_OUTPUTS: dict[str, Callable[[], OutputFormat]] = {
    "fixed": FixedOutput,
    "jsonl": JsonLinesOutput,
    "pickle": PickleOutput,
    "text": TextOutput,
}


def input_format(name: str | InputFormat[Any]) -> InputFormat[Any]:
    """The input format of that name; a format is itself.

    Raises:
        ConfigError: no format has that name.
    """
    if isinstance(name, InputFormat):
        return name
    if not isinstance(name, str) or name not in _INPUTS:
        raise ConfigError(f"input_format: {name!r} is none of {', '.join(sorted(_INPUTS))}, nor an InputFormat")
    return _INPUTS[name]()


def output_format(name: str | OutputFormat) -> OutputFormat:
    """The output format of that name; a format is itself.

    Raises:
        ConfigError: no format has that name.
    """
    if isinstance(name, OutputFormat):
        return name
    if not isinstance(name, str) or name not in _OUTPUTS:
        raise ConfigError(f"output_format: {name!r} is none of {', '.join(sorted(_OUTPUTS))}, nor an OutputFormat")
    return _OUTPUTS[name]()
