"""What is promised of label privacy, against closed forms."""

import math
import numpy as np
import pytest
from scipy import stats
from vfl_jax import defenses
from vfl_jax.defenses import accounting
from vfl_jax.defenses import base
from vfl_jax.runtime import rng


def test_label_dp_keeps_a_label_with_its_exact_probability():
  epsilon, classes, n = 1.0, 5, 40000
  labels = np.arange(n) % classes
  prepared = defenses.build("label_dp", epsilon=epsilon).prepare(
    rng.root(0), base.Secrets(labels, classes)
  )
  noisy = prepared.targets
  keep = np.exp(epsilon) / (np.exp(epsilon) + classes - 1)
  error = np.sqrt(keep * (1 - keep) / n)
  assert abs((noisy == labels).mean() - keep) < 4 * error
  changed = (noisy - labels)[noisy != labels] % classes
  shares = np.bincount(changed, minlength=classes)[1:] / len(changed)
  assert np.abs(shares - 0.25).max() < 0.02


def releases(**changes):
  usual = dict(
    epochs=30,
    steps=600,
    batch_size=64,
    rows=1280,
    normalised=False,
    mixed=False,
  )
  return base.Releases(**{**usual, **changes})


def test_epsilons_are_the_closed_forms():
  pytest.importorskip("dp_accounting")
  rule = defenses.build("gaussian", scale=2.0, clip=0.5).guarantees
  own, composed, everything = rule(releases())
  for guarantee, count in ((own, 1), (composed, 30), (everything, 600 * 64)):
    # Balle and Wang 2018, theorem 8, with sensitivity 2 * clip * sqrt(count)
    mu = 2 * 0.5 * math.sqrt(count) / 2.0
    e = guarantee.epsilon
    delta = stats.norm.cdf(mu / 2 - e / mu) - math.exp(
      e + stats.norm.logcdf(-mu / 2 - e / mu)
    )
    assert delta == pytest.approx(guarantee.delta, rel=1e-3)
  coupled = rule(releases(normalised=True))
  assert coupled[0].epsilon > own.epsilon
  assert "its batch" in coupled[0].scope
  assert rule(releases(before=("kdk",))) == [everything]
  own, composed, _ = defenses.build("laplace", scale=2.0, clip=0.5).guarantees(
    releases()
  )
  assert (own.epsilon, own.delta) == (0.5, 0.0)
  assert composed.epsilon < 15  # better than adding up
  exact = defenses.build("label_dp", epsilon=0.7).guarantees(releases())
  assert [(g.epsilon, g.delta) for g in exact] == [(0.7, 0.0)]
  noisy = defenses.build("grad_perturb", epsilon=0.7).guarantees(releases())
  assert noisy[0].epsilon == 0.7 and not noisy[0].delta


def test_without_a_clip_nothing_is_promised():
  assert defenses.build("gaussian", scale=1.0).guarantees is None
  for name, options, about in (
    ("grad_perturb", {}, {"mixed": True}),
    ("grad_perturb", {}, {"before": ("kdk",)}),
    ("gaussian", {"clip": 1.0}, {"after": ("marvell",)}),
    ("label_dp", {}, {"before": ("lcd",)}),
  ):
    (said,) = defenses.build(name, **options).guarantees(releases(**about))
    assert "no formal guarantee" in said.scope and math.isnan(said.epsilon)
  readers = {n for n in defenses.DEFENSES if defenses.build(n).reads}
  assert readers == {"marvell"}
  assert accounting.delta(10**6) == 1e-7
