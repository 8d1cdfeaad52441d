"""Object stores: durable keys and bytes, for control keys, input, output and shuffle data."""

from mapreduce.objectstore.access import Access
from mapreduce.objectstore.base import ObjectInfo, ObjectStore, Requests, check_key
from mapreduce.objectstore.folder import FolderStore
from mapreduce.objectstore.memory import MemoryStore
from mapreduce.objectstore.registry import open_store

__all__ = ["Access", "FolderStore", "MemoryStore", "ObjectInfo", "ObjectStore", "Requests", "check_key", "open_store"]
