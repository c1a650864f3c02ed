"""Numba: codes -> exact sums, and sums -> numbers."""
