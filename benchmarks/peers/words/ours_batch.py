"""This package, by arrays: the job of `mapreduce bench wordcount --batch`."""

from benchmarks.wordcount import words_by_arrays
from driver import Driver

from ..common import arguments

if __name__ == "__main__":
    given = arguments()
    Driver(workers=given.workers).run(words_by_arrays, given.files, output=given.output)
