"""Which class serves the shuffle stores of a URL scheme."""

from __future__ import annotations

from mapreduce.objectstore import Access, ObjectStore, open_store
from mapreduce.objectstore import registry as objectstores
from shuffle.base import ShuffleStore
from shuffle.objects import ObjectShuffle

#: scheme -> "module:Class"; imported at first use.
_STORES = {
    "redis": "shuffle.redis:RedisShuffle",
    "rediss": "shuffle.redis:RedisShuffle",
}
#: Installed distributions add shuffle stores of their own under this group: scheme = module:Class.
ENTRY_POINTS = "mapreduce.shuffle_stores"


def open_shuffle(url: str, access: Access | None = None, spare: ObjectStore | None = None) -> ShuffleStore:
    """The shuffle store at `url`: Redis (redis://host:6379, rediss://...), or any object store's URL.

    Args:
        url: of the store.
        access: how it is reached.
        spare: where a store of bounded size may put what it cannot hold.

    Raises:
        ConfigError: no store serves such a URL.
    """
    scheme = objectstores.split_url(url)[0]
    if scheme not in objectstores.STORES:
        cls = objectstores.find_class(scheme, _STORES, ENTRY_POINTS)
        if cls is not None:
            store: ShuffleStore = cls.connect(url, access or Access(), spare)
            return store
        if objectstores.find_class(scheme, {}, objectstores.ENTRY_POINTS) is None:
            raise objectstores.unserved(url, "shuffle", {*objectstores.STORES, *_STORES})
    return ObjectShuffle(open_store(url, "shuffle", access))
