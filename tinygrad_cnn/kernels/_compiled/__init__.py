"""Twins of the NumPy kernels, compiled by Numba: same file, same name, same arguments.

A twin may return `NotImplemented` for what it does not cover, or what NumPy does as fast.
Nothing here is imported before `tinygrad_cnn.kernels.dispatch` has found Numba.
"""
