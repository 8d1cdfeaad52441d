"""The batch path of a worker: what works on arrays. Imported only for jobs that do."""
