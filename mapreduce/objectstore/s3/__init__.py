"""An object store in an S3 bucket, or in any service that speaks its protocol.

Two clients share the work. obstore, which is native code, moves the bytes: it takes a tenth of
boto3's processor time for a small request, and starts a worker ten times as fast. boto3 does what
must be exact and is rare: listings page by page, checks, and credentials from AWS's configuration files.
"""

from mapreduce.objectstore.s3.store import S3Store

__all__ = ["S3Store"]
