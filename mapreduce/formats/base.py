"""The contracts of input and output formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, NamedTuple

from mapreduce.errors import ConfigError, InputError
from mapreduce.formats.compression import decompressed, is_compressed
from mapreduce.objectstore import ObjectStore

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R")


class Segment(NamedTuple):
    """A byte range of one input object: what a task reads of it.

    Attributes:
        url: path or URL of the object, also its name in errors.
        start: offset of the range's first byte.
        end: offset behind its last byte.
        size: size of the whole object when the job was planned.
    """

    url: str
    start: int
    end: int
    size: int

    @property
    def whole(self) -> bool:
        """Whether the range is the whole object."""
        return self.start == 0 and self.end == self.size


class InputFormat(ABC, Generic[R]):
    """Reads records from segments.

    Attributes:
        splittable: whether an uncompressed object may be cut at any byte: `read` then gives exactly
            the records that begin inside its segment, and finds their ends beyond it.
        batched: whether it gives batches too, for batch mappers.
        sparse: whether records begin at a few places of an object alone, so that a short segment mostly has none.
    """

    splittable: bool = True
    batched: bool = False
    sparse: bool = False

    @abstractmethod
    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[R]]:
        """The segment's records, in lists of a convenient length.

        Args:
            segment: what to read; the whole object where it is compressed or not splittable.
            store: the store that holds the object.
            key: the object's key in the store.

        Raises:
            InputError: the bytes are not in this format; the message names the object and the offset.
        """

    def batches(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[Any]:
        """The segment's records in batches, as a batch mapper takes them; takes and raises what `read` does.

        A batch may lie in memory that the next one is read into, if nothing refers to it by then.
        """
        raise ConfigError(f"{self!r} gives no batches; a batch mapper needs FixedInput, TextInput or another that does")

    def check(self, url: str, size: int) -> None:
        """Refuse, before a job starts, an object that by its size cannot be in this format.

        Raises:
            InputError: it cannot; the message names it.
        """

    def can_split(self, url: str) -> bool:
        """Whether the object at `url` may be cut into several segments."""
        return self.splittable and not is_compressed(url)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *sorted(vars(self).items())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class OutputFormat(ABC):
    """Writes pairs into one part of the output. An instance serves one part, from first pair to last.

    Attributes:
        batched: whether `encode` takes arrays as they are; else it is given lists of what they hold.
    """

    batched: bool = False

    @abstractmethod
    def encode(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes | memoryview:
        """The bytes of these pairs, whose keys and values are lists; or NumPy arrays, for a format that is `batched`.

        Raises:
            OutputError: a pair cannot be written in this format; the message shows it.
        """

    def detail(self) -> Any:
        """What `decode` must know of the part that was written, as JSON."""
        return None

    @abstractmethod
    def decode(self, stream: BinaryIO, detail: Any, name: str) -> Iterator[tuple[Any, Any]]:
        """The pairs of a part.

        Args:
            stream: the part's bytes.
            detail: what `detail` gave when the part had been written.
            name: what errors call the part.
        """

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and repr(other) == repr(self)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def open_segment(segment: Segment, store: ObjectStore, key: str) -> BinaryIO:
    """The whole object of `segment`, decompressed where its name says that it is compressed."""
    check_size(segment, store.size(key))
    stream = store.open(key)
    return decompressed(stream, segment.url) if is_compressed(segment.url) else stream


def check_size(segment: Segment, size: int) -> None:
    """Refuse an object that is no longer what was planned.

    Raises:
        InputError: its size differs.
    """
    if size != segment.size:
        raise InputError(
            f"{segment.url} has {size} bytes, but had {segment.size} when the job was planned: do not change the"
            " input while a job runs"
        )
