"""Labels read off the cut gradients, row by row.

What comes down is a function of the label: its size shows how wrong the
federation was, its direction shows which class it was pushed to. The published
rules are for two classes, give a ranking, and compare with known samples of one
class. By default, and with several classes, the comparison is with all known
samples of every class (ours), which the controls have too.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import unmixing
from vfl_jax.attacks import views
from vfl_jax.runtime import trees

_FAR = 1e30  # distance of known samples that were in no recorded batch
_NEEDS = frozenset({"gradients", "auxiliary"})


def norm(*, known: int = 0) -> base.Attack:
  """Scores by the norm of the gradient, which is larger for a rare class.

  Of two classes, the known samples tell which has the larger norms; public
  class shares count as evidence for the rarer one, the more unequal they are.
  With several classes, the score is the distance to the nearest norm of a known
  sample, in logs.

  Args:
    known: known samples per class to compare with where there are several
      classes; 0 for all of them. Of two classes all of them are used.

  Raises:
    ValueError: `known` is below 0.

  Source: Li et al. 2022, "Label leakage and protection in two-party split
  learning", section 3.1.
  """
  _not_negative("norm", known)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    del key
    observed = views.gradients(view)
    if view.public.num_classes == 2:
      scores = views.ranking(observed.norms, _larger(view, observed))
    else:
      rows, seen = views.known_gradients(view, observed.covered, known)
      logs = jnp.log(observed.norms + 1e-30)
      gaps = jnp.abs(logs[:, None, None] - logs[rows])
      scores = -jnp.min(jnp.where(seen, gaps, _FAR), axis=2)
    return _answer(view, scores, observed)

  return base.Attack(_NEEDS, infer, _budget(known), ranks=True)


def direction(
  *,
  known: int = 0,
  variant: Literal["all classes", "paper"] = "all classes",
  unmix: bool = False,
) -> base.Attack:
  """Scores by the cosine with the gradient of a known sample of a class.

  Rows whose gradient is zero have no direction and are not covered.

  Args:
    known: known samples per class (published: 1); 0 for all of them.
    variant: with two classes, "all classes" takes the largest cosine with a
      positive minus that with a negative; "paper" only the former.
    unmix: whether to separate mixed samples first, see `unmixing` (ours).

  Raises:
    ValueError: `known` is below 0.

  Source: Li et al. 2022, section 3.2.
  """
  _not_negative("direction", known)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    del key
    observed = _seen(view, unmix)
    directions = views.unit(observed.vectors)
    rows, seen = views.known_gradients(view, observed.covered, known)
    cosines = jnp.einsum("nd,ckd->nck", directions, directions[rows])
    best = jnp.max(jnp.where(seen, cosines, -_FAR), axis=2)
    scores = _ranked(view, best, seen, variant)
    return _answer(view, scores, views.directed(observed))

  return base.Attack(
    _needs(unmix), infer, _budget(known), ranks=True, joins=not unmix
  )


def hint(
  *,
  known: int = 0,
  rule: Literal["distance", "inner"] = "distance",
  variant: Literal["all classes", "paper"] = "all classes",
  unmix: bool = False,
) -> base.Attack:
  """Scores by how near the gradient is to those of known samples of a class.

  Args:
    known: known samples per class (published: 1, 3 and 5 positives); 0 for all
      of them.
    rule: "distance" (minus the smallest squared distance), or "inner" (the
      largest inner product).
    variant: with two classes, "all classes" takes the score by the positives
      minus that by the negatives; "paper" only the former.
    unmix: whether to separate mixed samples first, see `unmixing` (ours).

  Raises:
    ValueError: `known` is below 0.

  Source: the code of Li et al. 2022.
  """
  _not_negative("hint", known)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    del key
    observed = _seen(view, unmix)
    g = observed.vectors
    rows, seen = views.known_gradients(view, observed.covered, known)
    near = jnp.einsum("nd,ckd->nck", g, g[rows])
    if rule == "distance":
      squares = (g**2).sum(1)
      gaps = squares[:, None, None] + squares[rows] - 2 * near
      near = -jnp.maximum(gaps, 0.0)
    best = jnp.max(jnp.where(seen, near, -_FAR), axis=2)
    return _answer(view, _ranked(view, best, seen, variant), observed)

  return base.Attack(
    _needs(unmix), infer, _budget(known), ranks=True, joins=not unmix
  )


def direct(*, code: bool = False) -> base.Attack:
  """Reads the label off summed logits without a top: the negative component.

  With g = softmax - onehot, only the label's component is negative. Rows where
  that component has rounded to zero are saturated: they do not reveal the
  label and are not scored; `details` reports their number.

  Args:
    code: whether the attacker knows the training target of each class. With
      g = softmax - code of the label, g + code is a distribution for the label
      (and perhaps for other classes, while the softmax is broad).

  Source: Fu et al. 2022, section 4.4. Reading through a known code is ours.
  """

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    del key
    observed = views.gradients(view)
    g = jnp.stack(
      [trees.vectors(epoch.gradients) for epoch in views.epochs(view)]
    )
    # every member of a coalition got the same
    g = g.reshape(*g.shape[:2], -1, view.public.num_classes).mean(2)
    g = jnp.where(jnp.isfinite(g), g, 0.0)
    if code:
      assert view.trial.code is not None  # it is among the needs
      # the loss is a mean over the batch
      softmax = view.public.batch_size * g[:, :, None] + view.trial.code
      return _answer(view, softmax.min(3).sum(0), observed)
    g = g.sum(0)
    silent = observed.covered & (g.min(1) >= 0)
    answer = _answer(
      view, -g, observed._replace(covered=observed.covered & ~silent)
    )
    return answer._replace(details={"saturated": silent.sum()})

  return base.Attack(
    frozenset({"gradients", "logits"} | ({"code"} if code else set())),
    infer,
    "reads each gradient once",
  )


def _needs(unmix):
  return _NEEDS | {"pairs"} if unmix else _NEEDS


def _seen(view, unmix):
  return unmixing.gradients(view) if unmix else views.gradients(view)


def _not_negative(name, per_class):
  if per_class < 0:
    raise ValueError(
      f"attack {name!r}: known is {per_class}; take at least 1, or 0 for all."
    )


def _budget(per_class):
  if not per_class:
    return "all known samples"
  return f"at most {per_class} known sample{'s' * (per_class > 1)} of a class"


def _larger(view, observed):
  """Which of two classes has the larger gradients, by what the party knows."""
  rows, seen = views.known_gradients(view, observed.covered, 0)
  first, second = observed.norms[rows]
  pairs = seen[0][:, None] & seen[1][None]
  larger = jnp.sign(second[None] - first[:, None])
  wins = jnp.sum(jnp.where(pairs, larger, 0))
  # log odds that the second class has the larger norms rather than the first:
  # of Mann and Whitney's count, normal around an AUC of .75 or of .25
  counts = seen.sum(1)
  variance = counts.prod() * (counts.sum() + 1) / 3
  evidence = wins * counts.prod() / jnp.maximum(variance, 1)
  if view.public.label_prior is not None:
    shares = np.maximum(np.asarray(view.public.label_prior), 1e-6)
    evidence += np.log(shares[0] / shares[1])
  return jnp.where(evidence >= 0, 1, 0)


def _ranked(view, best, seen, variant):
  """Scores of two classes as one score and its negative.

  Args:
    view: what the adversary saw.
    best: score of each row by the known samples of each class, `[n, c]`.
    seen: which known samples have a gradient, `[c, k]`.
    variant: see `direction`.
  """
  if view.public.num_classes > 2:
    return best
  hunted = views.positive(view)
  best = jnp.where(seen.any(1), best, 0.0)  # a class without one says nothing
  other = 0.0 if variant == "paper" else best[:, 1 - hunted]
  return views.ranking(best[:, hunted] - other, hunted)


def _answer(view, scores, observed) -> base.Inference:
  scores = jnp.where(observed.covered[:, None], scores, jnp.nan)
  return base.Inference(
    scores, None, rows=jnp.asarray(view.shared.recorded_rows)
  )
