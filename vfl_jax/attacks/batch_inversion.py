"""Infer labels from weight gradients that were averaged over a batch.

Where cut gradients are hidden from the passive parties, for example by
encryption, each party still gets the gradient of its own weights, summed over
the batch. That gradient is a known linear function of the hidden rows, which
depend on few labels.
"""

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.scipy.sparse import linalg
import numpy as np
import optax

from vfl_jax.attacks import base
from vfl_jax.attacks import views
from vfl_jax.config import bounds
from vfl_jax.models import perceptron
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

_TINY = 1e-12
_RIDGE = 1e-3  # weight of the penalty, as a share of the map's size
_SOLVED = 100  # steps of conjugate gradients
_CERTAIN = 1.0  # first logit of a row whose gradient is minus its label


def batch_inversion(
  *,
  steps: int = 200,
  learning_rate: float = 0.05,
  top: Literal["", "sum", "linear"] = "",
  code: bool = False,
) -> base.Attack:
  """Optimises dummy embeddings, labels and a top to explain what came down.

  The dummies of all recorded batches are optimised together. The labels of
  auxiliary samples are fixed at their true values. Where the top is a sum, the
  others start where a ridge regression puts them: it solves each batch for the
  gradients of its rows, whose image in the weights is known.

  Args:
    steps: number of Adam steps.
    learning_rate: learning rate of Adam.
    top: the dummy top: "sum" of logits, or "linear". Empty: the sum if the cut
      is after the last stage, where the sum is the true top; otherwise linear.
    code: whether the attacker knows the training target of each class and
      infers the class from it.

  Raises:
    ValueError: a value is out of its range.

  Source: Zou et al., "Defending batch-level label inference and replacement
  attacks in vertical federated learning", 2022. All batches at once, and the
  start: ours.
  """

  bounds.at_least(
    "batch_inversion", {"steps": 1, "learning_rate": bounds.ABOVE}, locals()
  )
  needs = {"averages", "auxiliary"} | ({"code"} if code else set())
  if top == "sum":
    needs |= {"logits"}

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    public = view.public
    kind = top or ("sum" if public.cut == len(public.stages) else "linear")
    count = len(view.shared.train_ids)
    aux_targets = jnp.zeros((count, public.num_classes))
    aux_targets = aux_targets.at[view.trial.aux_rows].set(
      jax.nn.one_hot(view.trial.aux_labels, public.num_classes)
    )
    stands = view.trial.code if code else jnp.eye(public.num_classes)
    labels, seen = _inverted(
      key, view, aux_targets, stands, kind == "sum", steps, learning_rate
    )
    scores = jnp.where(seen[:, None], jax.nn.log_softmax(labels), jnp.nan)
    return base.Inference(scores, None)

  return base.Attack(
    frozenset(needs),
    infer,
    f"{steps} steps for all recorded batches at once",
  )


def _inverted(key, view, aux_targets, stands, summed, steps, learning_rate):
  """Label logits of all training rows, and which rows were in a batch."""
  public, count = view.public, len(aux_targets)
  recorded, seen = [], jnp.zeros(count, bool)
  for epoch in views.epochs(view):
    kept = epoch.averages
    assert kept is not None  # it is among the needs
    recorded.append((kept, *_forward(view, kept)))
    seen = seen.at[kept.rows].set(True)
  classes = public.num_classes
  width = recorded[0][1].shape[-1]
  init, apply = perceptron.perceptron(classes)
  draw = functools.partial(rng.stream, key)
  labelled = aux_targets.sum(1, keepdims=True)
  if summed:
    first = _started(recorded, count, classes) @ stands.T
  else:
    first = jnp.zeros((count, classes))
  dummies = {
    "labels": first,
    "others": [
      0.01 * rng.normal(draw("others", i), h.shape)
      for i, (_, h, _) in enumerate(recorded)
    ],
    "top": {} if summed else init(draw("top"), jnp.zeros((2, 2 * width))),
  }

  def predicted(top, h, others):
    if summed:
      return (h + others).reshape(len(h), -1, classes).sum(1)
    return apply(top, jnp.concatenate([h, others], 1))

  misfit = lambda dummies: _misfit(
    dummies, recorded, aux_targets, labelled, stands, predicted
  )
  optimizer = optax.adam(learning_rate)

  def step(carry: Any, _) -> tuple[Any, None]:
    dummies, state = carry
    change, state = optimizer.update(jax.grad(misfit)(dummies), state)
    return (optax.apply_updates(dummies, change), state), None

  start = (dummies, optimizer.init(dummies))
  (dummies, _), _ = jax.lax.scan(step, start, None, length=steps)
  aux_logits = jnp.log(aux_targets + 1e-6)
  return jnp.where(labelled > 0, aux_logits, dummies["labels"]), seen


def _misfit(dummies, recorded, aux_targets, labelled, stands, predicted):
  """Squared distance of the dummies' gradients from those that were recorded.

  It is in units of their squared length, and summed over the epochs.
  `predicted(top, h, others)` are logits.
  """

  def sent(h, others, rows):
    """Gradients by the party's embeddings of one batch, `[batch, width]`."""
    y = jax.nn.softmax(dummies["labels"][rows])
    y = jnp.where(labelled[rows] > 0, aux_targets[rows], y) @ stands

    def loss(h):
      logits = predicted(dummies["top"], h, others)
      return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), -1))

    return jax.grad(loss)(h)

  total = 0.0
  for (kept, h, back), others in zip(recorded, dummies["others"], strict=True):
    replayed = back(jax.vmap(sent)(h, others, kept.rows))
    gap = sum(
      jnp.sum((a - b) ** 2)
      for a, b in zip(
        jax.tree.leaves(replayed), jax.tree.leaves(kept.gradients), strict=True
      )
    )
    size = sum(jnp.sum(b**2) for b in jax.tree.leaves(kept.gradients))
    total += gap / (size + _TINY)
  return total


def _started(recorded, count, classes):
  """Label logits by ridge regression, where embeddings are summed logits.

  The gradient of a row is its predicted class shares minus its label, so that
  the smallest entry is the label's.
  """
  total, times = jnp.zeros((count, classes)), jnp.zeros((count, 1))
  for kept, h, back in recorded:
    g = _ridge(back, kept.gradients, h) * h.shape[1]  # of a mean loss
    g = g.reshape(*g.shape[:2], -1, classes).sum(2)
    total = total.at[kept.rows].add(g)
    times = times.at[kept.rows].add(1)
  return -_CERTAIN * total / jnp.maximum(times, 1)


def _ridge(back, gradients, h):
  """Gradients of the rows whose image under the linear map `back` is known."""
  transpose = jax.linear_transpose(back, h)
  applied = lambda g: transpose(back(g))[0]
  (wanted,) = transpose(gradients)
  size = jnp.linalg.norm(applied(wanted)) / (jnp.linalg.norm(wanted) + _TINY)
  solved, _ = linalg.cg(
    lambda g: applied(g) + _RIDGE * size * g, wanted, maxiter=_SOLVED
  )
  return solved


def _forward(view, kept):
  """Embeddings of every recorded batch, and their map from gradients back."""

  def batches(params, stats):
    def one(params, stats, rows):
      x = jax.tree.map(lambda a: jnp.asarray(a)[rows], view.shared.train)
      values = {"params": params, "stats": stats}
      return view.public.bottom(values, x, train=True)[0]

    return jax.vmap(one)(params, stats, kept.rows)

  params, stats = (kept.bottoms[c] for c in ("params", "stats"))
  tree, pull = jax.vjp(lambda params: batches(params, stats), params)
  leaves, structure = jax.tree.flatten(tree)
  shapes = [leaf.shape for leaf in leaves]
  ends = np.cumsum([int(np.prod(s[2:])) for s in shapes])[:-1]
  h = jax.vmap(trees.vectors)(tree)

  def back(g):
    pieces = [
      piece.reshape(shape)
      for piece, shape in zip(jnp.split(g, ends, axis=2), shapes, strict=True)
    ]
    return pull(jax.tree.unflatten(structure, pieces))[0]

  return h, back
