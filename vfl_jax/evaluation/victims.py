"""Federations under active attacks, trained on demand."""

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.evaluation import cases
from vfl_jax.evaluation import metrics
from vfl_jax.federation import malicious
from vfl_jax.federation import loop
from vfl_jax.federation import views


class Victims:
  """Federations under active attacks, trained on demand.

  Attributes:
    rows: tidy rows on what each attack costs the main task.
  """

  def __init__(self, config, setup, f, state, active, advance, *, metric):
    self._config, self._setup, self._f = config, setup, f
    self._metric = metric
    self._state, self._active, self._advance = state, active, advance
    self._known = {}
    self.rows = []
    test = f.dataset.test
    self._inputs = jax.tree.map(jnp.asarray, tuple(test.inputs))
    # read now, because the labels are sealed while attacks run
    self._labels = np.array(test.labels)
    self._honest = {}

  def train(self, adversaries) -> dict[str, str]:
    """Trains the federations that do not depend on auxiliary samples.

    Args:
      adversaries: members of each adversary.

    Returns:
      By label of an attack that is given up, the reason.
    """
    reasons = {}
    for name, attack in self._active.items():
      for members in adversaries if attack.optimizer else ():
        party = cases.named(members)
        self._advance(f"party {party}: training under {name}")
        victim, _ = malicious.attacked(
          self._config,
          self._setup,
          members,
          attack.optimizer,
          record=bool({"gradients", "averages"} & attack.needs),
        )
        sound = loop.finite(victim.variables)
        if not sound.all():
          reasons[name] = (
            f"the federation trained under it by party {party} diverged in "
            f"seeds {np.flatnonzero(~sound).tolist()}"
          )
          continue
        self._known[name, members] = victim
        self._price(name, members, victim)
    return reasons

  def __call__(self, name, members, aux_rows) -> views.Federation:
    if (name, members) in self._known:
      return self._known[name, members]
    key = name, members, aux_rows.tobytes()
    if key not in self._known:
      party, attack = cases.named(members), self._active[name]
      self._advance(f"party {party}: turns of {name}")
      classes = self._f.dataset.num_classes
      victim = malicious.swapped(
        self._setup,
        self._f,
        self._state,
        members,
        attack,
        aux_rows.reshape(len(aux_rows), classes, -1)[:, :, 0],
        self._config.train.epochs,
      )
      self._known[key] = victim
      self._price(name, members, victim, attack.turns(classes))
    return self._known[key]

  def _price(self, name, members, victim, turns=0):
    """Notes what an attack costs the main task, on test rows.

    The honest federation, trained for as many epochs, is the comparison.
    """
    predict = self._setup.learner.predict
    if turns not in self._honest:
      variables = self._f.variables
      if turns:
        variables = malicious.continued(
          self._setup, self._state, self._config.train.epochs, turns
        )
      self._honest[turns] = np.asarray(predict(variables, self._inputs))
    theirs = np.asarray(predict(victim.variables, self._inputs))
    metric = self._metric
    for seed, both in enumerate(zip(theirs, self._honest[turns], strict=True)):
      value, honest = (metrics.score(metric, s, self._labels) for s in both)
      self.rows.append(
        {
          "attack": name,
          "party": cases.named(members),
          "seed": seed,
          "metric": metric,
          "value": value,
          "honest": honest,
        }
      )
