"""Reads any OpenML table by name, through scikit-learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vfl_jax.data import base
from vfl_jax.data import raw


def source(
  name: str, *, version: int | str = "active", drop: Sequence[str] = ()
) -> Callable[[Mapping[str, Any]], "OpenML"]:
  """A builder of readers for one table.

  Args:
    name: name of the table on OpenML.
    version: version of the table, or "active".
    drop: columns that leak the label; they are dropped.

  Returns:
    `build(config) -> reader`, where config is the section `data`.
  """
  return lambda config: OpenML(name, version, drop, config)


class OpenML:
  """A table that is fetched once into scikit-learn's data folder."""

  def __init__(self, name, version, drop, config):
    self.name, self.version = name, version
    self.drop = (*drop, *config["drop"])
    self.home = config["data_dir"] or None
    # the default of data.label is for files; OpenML names its own target
    self.label = "" if config["label"] == "label" else config["label"]

  def describe(self) -> base.Header:
    """The header, from the whole table; raises what `read` raises."""
    whole = self.read()  # scikit-learn has no header without the table
    columns, classes = whole.inputs.shape[1], len(set(whole.labels))
    return base.Header(self.name, "table", len(whole.labels), columns, classes)

  def read(self) -> raw.Raw:
    """The table, downloaded if it is not in the data folder yet.

    Raises:
      FileNotFoundError: the table is neither cached nor downloadable.
      ValueError: the table names no target.
    """
    import socket
    import warnings

    from sklearn import datasets

    waiting = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)  # scikit-learn sets none
    try:
      with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bunch: Any = datasets.fetch_openml(
          self.name,
          version=self.version,
          data_home=self.home,
          as_frame=True,
          target_column=self.label or "default-target",
          n_retries=1,
          delay=1e-3,
        )
    except (OSError, ValueError) as error:
      raise FileNotFoundError(
        f"OpenML table {self.name!r} is neither cached nor downloadable "
        f'({error}); with a network: python -c "from sklearn.datasets import'
        f" fetch_openml; fetch_openml('{self.name}')\", or give your own copy"
        " with data.path."
      ) from error
    finally:
      socket.setdefaulttimeout(waiting)
    if bunch.target is None:
      raise ValueError(
        f"OpenML table {self.name!r} names no target; give its column with "
        "data.label."
      )
    frame = bunch.data.drop(columns=[c for c in self.drop if c in bunch.data])
    notes = tuple(
      f"column {c} was dropped: it leaks the label" for c in self.drop
    )
    labels = bunch.target.astype(str).to_numpy()
    return raw.Raw(self.name, "table", frame, labels, notes=notes)
