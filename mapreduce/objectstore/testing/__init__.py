"""What every object store must do, as tests: a subclass of `ObjectStoreContract` gives three fixtures.

It needs pytest, which the extra `test` installs. See docs/plugins.md.
"""

from mapreduce.objectstore.testing.contract import ObjectStoreContract
from mapreduce.objectstore.testing.writes import RawGet, RawPut

__all__ = ["ObjectStoreContract", "RawGet", "RawPut"]
