"""This package: the job of `mapreduce sort`."""

from benchmarks.sorting.sort import sort_job
from driver import Driver

from ..common import arguments

if __name__ == "__main__":
    given = arguments()
    Driver(workers=given.workers).run(sort_job(), given.files, output=given.output)
