"""Keys as NumPy arrays: their order, their partitions, their groups. Imported only where batches are used."""
