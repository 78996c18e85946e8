"""Seeds and the rows of a batch over several devices and hosts, by a mesh.

Training is one program however many devices there are: its arrays say where
they live, and the compiler adds what has to be sent between them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.runtime import hosts

PyTree = Any
SEED, DATA = "seed", "data"


class Layout(NamedTuple):
  """Where arrays live.

  Attributes:
    mesh: of axes "seed" and "data"; None for one device.
  """

  mesh: jax.sharding.Mesh | None = None

  def seeds(self, tree: PyTree) -> PyTree:
    """Arrays with a leading seed axis, each device its share of the seeds."""
    return self._put(tree, jax.P(SEED))

  def everywhere(self, tree: PyTree) -> PyTree:
    """A copy on every device."""
    return self._put(tree, jax.P())

  def rows(self, tree: PyTree) -> PyTree:
    """Inside a program: the rows of a batch, each device its share."""
    if self.mesh is None:
      return tree
    sharding = jax.sharding.NamedSharding(self.mesh, jax.P(DATA))
    return jax.tree.map(
      lambda a: jax.lax.with_sharding_constraint(a, sharding), tree
    )

  def whole(self, tree: PyTree) -> PyTree:
    """Arrays of numpy, on every host; asked by all hosts at once."""
    return jax.tree.map(hosts.gathered, tree)

  def gathered(self, tree: PyTree) -> PyTree:
    """Arrays on one device again, for what is measured after the training."""
    if self.mesh is None:
      return tree
    return jax.tree.map(jnp.asarray, self.whole(tree))

  def _put(self, tree, spec):
    if self.mesh is None:
      return tree
    sharding = jax.sharding.NamedSharding(self.mesh, spec)
    return jax.tree.map(lambda a: hosts.placed(a, sharding), tree)


def layout(mesh: Mapping[str, int], seeds: int, batch_size: int) -> Layout:
  """The layout that a config asks for.

  Args:
    mesh: devices along "seed" and "data", on how many "hosts".
    seeds: of the experiment.
    batch_size: rows of a step.

  Raises:
    ValueError: more devices than there are, or shares that are not whole.
  """
  across = {name: mesh[name] for name in (SEED, DATA)}
  count = int(np.prod(list(across.values())))
  if count == 1 and mesh["hosts"] == 1:
    return Layout()
  for name, total, what in (
    (SEED, seeds, "seeds"),
    (DATA, batch_size, "train.batch_size"),
  ):
    if total % across[name]:
      raise ValueError(
        f"mesh.{name} is {across[name]}, which does not divide {what}={total}."
      )
  devices = jax.devices()
  if count > len(devices):
    raise ValueError(
      f"mesh asks for {count} devices ({across[SEED]} x {across[DATA]}), and "
      f"there are {len(devices)} ({devices[0].platform})."
    )
  if mesh["hosts"] > 1 and count < len(devices):
    raise ValueError(
      f"mesh takes {count} of the {len(devices)} devices of {mesh['hosts']} "
      "hosts; with several hosts mesh.seed times mesh.data is all of them."
    )
  shape = tuple(across.values())
  kinds = (jax.sharding.AxisType.Auto,) * len(shape)
  return Layout(
    jax.make_mesh(
      shape, tuple(across), devices=devices[:count], axis_types=kinds
    )
  )
