"""Distributes seeds and the rows of a batch over devices and hosts by a mesh.

Training is one program for any number of devices: its arrays carry their
shardings, and the compiler adds the communication.
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
  """The devices on which arrays live.

  Attributes:
    mesh: mesh with the axes "seed" and "data"; None for one device.
  """

  mesh: jax.sharding.Mesh | None = None

  def seeds(self, tree: PyTree) -> PyTree:
    """Splits arrays with a leading seed axis over the devices by seed."""
    return self._put(tree, jax.P(SEED))

  def everywhere(self, tree: PyTree) -> PyTree:
    """Copies arrays to every device."""
    return self._put(tree, jax.P())

  def rows(self, tree: PyTree) -> PyTree:
    """Splits the rows of a batch over the devices, inside a program."""
    if self.mesh is None:
      return tree
    sharding = jax.sharding.NamedSharding(self.mesh, jax.P(DATA))
    return jax.tree.map(
      lambda a: jax.lax.with_sharding_constraint(a, sharding), tree
    )

  def whole(self, tree: PyTree) -> PyTree:
    """Whole numpy arrays on every host; all hosts must call it together."""
    return jax.tree.map(hosts.gathered, tree)

  def gathered(self, tree: PyTree) -> PyTree:
    """Moves arrays to one device, for measurements after the training."""
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
    mesh: the config's section `mesh`: numbers of devices along "seed" and
      "data", and number of "hosts".
    seeds: number of seeds of the experiment.
    batch_size: rows per step.

  Raises:
    ValueError: the config asks for more devices than there are, leaves devices
      of several hosts unused, or does not split seeds or rows evenly.
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
        f"mesh.{name} is {across[name]}, which does not divide {what}={total}; "
        "take a divisor."
      )
  devices = jax.devices()
  if count > len(devices):
    raise ValueError(
      f"mesh asks for {count} devices ({across[SEED]} x {across[DATA]}), but "
      f"there are {len(devices)} ({devices[0].platform}); lower mesh.seed or "
      "mesh.data."
    )
  if mesh["hosts"] > 1 and count < len(devices):
    raise ValueError(
      f"mesh takes {count} of the {len(devices)} devices of {mesh['hosts']} "
      "hosts; with several hosts it must take all of them, so set mesh.seed "
      f"and mesh.data to numbers whose product is {len(devices)}."
    )
  shape = tuple(across.values())
  kinds = (jax.sharding.AxisType.Auto,) * len(shape)
  return Layout(
    jax.make_mesh(
      shape, tuple(across), devices=devices[:count], axis_types=kinds
    )
  )
