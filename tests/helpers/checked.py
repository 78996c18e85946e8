"""Checks arguments and results of functions against their annotations."""

import beartype


def outermost(function):
  """The function with its types checked, unless another function holds it.

  What a function defines is made anew at every call, and writing its checks
  takes longer than most of them run.
  """
  if "<locals>" in function.__qualname__:
    return function
  return beartype.beartype(function)
