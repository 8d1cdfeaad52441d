"""The comparison of shuffle stores: the same work over each, its results checked, beside what a plain client gets."""
