"""The cost of a split model, computed from its stages without running it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.federation import split
from vfl_jax import models
from vfl_jax.models import stages


def table(
  net: split.Net, inputs: Any, batch_size: int, passive: int | None = None
) -> list[dict[str, Any]]:
  """Tabulates cost: one row per stage and holder, and one per wire.

  Args:
    net: the split model.
    inputs: one example (arrays or shapes) with a batch axis per party.
    batch_size: rows per step.
    passive: number of passive parties, which come first; None for all. The
      other features belong to the active party and cross no wire.

  Returns:
    Rows with the columns holder ("party 0", ..., "active", "active, own
    features"), stage, output (shape of one sample), parameters, flops (forward
    pass of one sample), activation_bytes (one batch), up_bytes and down_bytes
    (one sample on the wire).
  """
  shapes = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct((batch_size, *a.shape[1:]), a.dtype),
    tuple(inputs),
  )
  variables = net.init(jax.random.key(0), shapes)
  rows, outputs = [], []
  chain = net.model.stages
  for k, x in enumerate(shapes):
    sends = passive is None or k < passive
    holder = f"party {k}" if sends else "active, own features"
    stage_rows, x = _chain(chain[: net.cut], variables["bottoms"][k], x, holder)
    rows += stage_rows
    if sends:
      size = _bytes(x) // batch_size
      rows.append(
        {
          "holder": holder,
          "stage": "wire",
          "output": _shape(x),
          "parameters": 0,
          "flops": 0,
          "activation_bytes": 0,
          "up_bytes": size,
          "down_bytes": size if net.cut else 0,
        }
      )
    outputs.append(x)
  merged = jax.eval_shape(lambda *h: _merge(net, h), *outputs)
  stage_rows, _ = _chain(chain[net.cut :], variables["top"], merged, "active")
  return rows + stage_rows


def parameters(model: models.Model, cut: int, inputs: Any) -> tuple[list, int]:
  """Counts the parameters of each bottom model and of the top model.

  Args:
    model: the architecture.
    cut: number of stages in each bottom model.
    inputs: one example (arrays or shapes) with a batch axis per party.

  Returns:
    `(one count per bottom, count of the top)`.
  """
  net = split.at(model, cut, len(inputs))
  variables = net.init(jax.random.key(0), tuple(inputs))
  count = lambda tree: sum(
    int(np.prod(a.shape)) for a in jax.tree.leaves(tree["params"])
  )
  return [count(b) for b in variables["bottoms"]], count(variables["top"])


def _merge(net, embeddings):
  if not net.cut:
    return net.model.merge_inputs(embeddings)
  if net.cut == len(net.model.stages):
    return sum(embeddings)
  return net.model.stages[net.cut - 1].merge(embeddings)


def _chain(chain, variables, x, holder):
  rows = []
  for stage in chain:
    values = {c: variables[c][stage.name] for c in ("params", "stats")}

    def run(values, x, stage=stage):
      return stages.apply(stage, values, x, False)[0]

    lowered = jax.jit(run).lower(values, x)
    analysis = lowered.cost_analysis() or {}
    batch = jax.tree.leaves(x)[0].shape[0]
    x = jax.eval_shape(run, values, x)
    rows.append(
      {
        "holder": holder,
        "stage": stage.name,
        "output": _shape(x),
        "parameters": sum(a.size for a in jax.tree.leaves(values["params"])),
        "flops": int(analysis.get("flops", 0) / batch),
        "activation_bytes": _bytes(x),
        "up_bytes": 0,
        "down_bytes": 0,
      }
    )
  return rows, x


def _shape(x) -> str:
  return " + ".join("x".join(map(str, a.shape[1:])) for a in jax.tree.leaves(x))


def _bytes(x) -> int:
  return sum(
    int(np.prod(a.shape)) * jnp.dtype(a.dtype).itemsize
    for a in jax.tree.leaves(x)
  )
