"""What runs in a worker: one attempt of one task, from a self-contained payload to its commit."""

from worker.attempt import run_attempt
from worker.payload import Payload

__all__ = ["Payload", "run_attempt"]
