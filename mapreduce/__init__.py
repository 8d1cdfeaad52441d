"""MapReduce for a laptop and a cloud account: the programming model.

Write a `Mapper` and a `Reducer`, put them into a `Job`, and let a `driver.Driver` run it.
"""

from __future__ import annotations

from mapreduce import _neighbours
from mapreduce.batches import BatchMapper, BatchReducer, BlockReducer, Groups
from mapreduce.blocks import Block
from mapreduce.errors import (
    AuthenticationError,
    BlockError,
    CodeError,
    ConfigError,
    InputError,
    JobCancelled,
    JobError,
    KeyTypeError,
    LostBlocks,
    MapReduceError,
    MissingObject,
    OutputError,
    StoreError,
    TaskError,
    UnreachableStore,
)
from mapreduce.formats import (
    ArrowInput,
    CsvInput,
    FixedInput,
    FixedOutput,
    InputFormat,
    JsonLinesInput,
    JsonLinesOutput,
    OutputFormat,
    PairsInput,
    ParquetInput,
    PickleOutput,
    TextInput,
    TextOutput,
)
from mapreduce.job import Job
from mapreduce.partition import HashPartitioner, Partitioner
from mapreduce.ranges import ByRange
from mapreduce.stages import Fold, FoldBy, Mapper, Reducer, Task

__all__ = [
    "ArrowInput",
    "AuthenticationError",
    "BatchMapper",
    "BatchReducer",
    "Block",
    "BlockError",
    "BlockReducer",
    "ByRange",
    "CodeError",
    "ConfigError",
    "CsvInput",
    "FixedInput",
    "FixedOutput",
    "Fold",
    "FoldBy",
    "Groups",
    "HashPartitioner",
    "InputError",
    "InputFormat",
    "Job",
    "JobCancelled",
    "JobError",
    "JsonLinesInput",
    "JsonLinesOutput",
    "KeyTypeError",
    "LostBlocks",
    "MapReduceError",
    "Mapper",
    "MissingObject",
    "OutputError",
    "OutputFormat",
    "PairsInput",
    "ParquetInput",
    "Partitioner",
    "PickleOutput",
    "Reducer",
    "StoreError",
    "Task",
    "TaskError",
    "TextInput",
    "TextOutput",
    "UnreachableStore",
    "__version__",
]

__version__ = "0.1.0"

_neighbours.check_neighbours()
