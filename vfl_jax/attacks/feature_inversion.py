"""The opposite direction: what the active party learns about features."""

import jax
import jax.numpy as jnp
import optax

from vfl_jax.attacks import base
from vfl_jax.config import bounds
from vfl_jax.models import perceptron
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees


def feature_inversion(
  *,
  iterations: int = 1000,
  width: int = 256,
  batch: int = 64,
  learning_rate: float = 1e-3,
) -> base.Attack:
  """Fits a decoder from embeddings to features on known rows.

  This is not an attack on labels: it measures the cost of moving the cut
  forward. The decoder is the sum of a linear map and a perceptron, fitted by
  least squares from standardised embeddings to standardised features.

  Args:
    iterations: number of Adam steps. The budget of attacks does not apply,
      because the defender runs this to learn what is exposed.
    width: width of the two hidden layers.
    batch: rows per step.
    learning_rate: first learning rate of Adam, falling to zero.

  Raises:
    ValueError: a value is out of its range.

  Source: Erdogan et al. 2022 and Luo et al. 2021 invert without known rows;
  with known rows the inversion is a regression.
  """
  bounds.at_least(
    "feature_inversion",
    {"iterations": 1, "width": 1, "batch": 1, "learning_rate": bounds.ABOVE},
    locals(),
  )

  def infer(key: jax.Array, view: base.Received) -> base.Inference:
    known_h, h = (
      trees.vectors(tree) for tree in (view.known_embeddings, view.embeddings)
    )
    x = jnp.asarray(view.known_features)
    known_h, h = _standardised(known_h, known_h), _standardised(known_h, h)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    wanted = (x - mean) / scale
    linear, deep = (
      perceptron.perceptron(x.shape[1], hidden)
      for hidden in ((), (width, width))
    )
    params = (
      linear[0](rng.stream(key, "linear"), known_h[:2]),
      deep[0](rng.stream(key, "deep"), known_h[:2]),
    )
    optimizer = optax.adam(
      optax.cosine_decay_schedule(learning_rate, iterations)
    )

    def decode(params, h):
      return linear[1](params[0], h) + deep[1](params[1], h)

    def step(carry, rows):
      params, state = carry

      def loss(params):
        return jnp.mean((decode(params, known_h[rows]) - wanted[rows]) ** 2)

      change, state = optimizer.update(jax.grad(loss)(params), state)
      return (optax.apply_updates(params, change), state), None

    start = params, optimizer.init(params)
    shape = iterations, min(batch, len(known_h))
    drawn = rng.integers(rng.stream(key, "steps"), shape, len(known_h))
    (params, _), _ = jax.lax.scan(step, start, drawn)
    return base.Inference(None, mean + scale * decode(params, h))

  return base.Attack(
    frozenset(),
    infer,
    f"a decoder of {iterations} steps on the validation rows",
    features=True,
  )


def _standardised(reference, h):
  scale = reference.std(0)
  scale = scale + 0.05 * jnp.sqrt((scale**2).mean()) + 1e-12
  return jnp.clip((h - reference.mean(0)) / scale, -5.0, 5.0)
