"""A trained federation, and what each of its parties saw."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Integer

from vfl_jax.attacks import base as attack_base
from vfl_jax.data import base
from vfl_jax.federation import recording
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import split


@dataclasses.dataclass(frozen=True)
class Federation:
  """A trained federation as its evaluator sees it; seed axes come first.

  Attributes:
    net: the split model.
    variables: variables after training.
    dataset: the data set, partitioned over the parties; its labels cannot be
      read while it is sealed, see `seal.under`.
    kept: recorded messages and snapshots, see `recording.keep`.
    recorder: which messages were recorded.
    keys: one root key per seed.
    passive: number of passive parties, which come first.
    batch_size: rows per training step.
    code: what a defence trains on instead of each class, `[seeds, classes,
      classes]`, or None.
  """

  net: split.Net
  variables: Any
  dataset: base.Dataset
  kept: Any
  recorder: recording.Recorder
  keys: jax.Array
  passive: int
  batch_size: int
  code: Any = None

  def views(
    self,
    members: Sequence[int],
    aux_rows: Integer[attack_base.Array, "trials known"],
    aux_labels: Integer[attack_base.Array, "trials known"],
  ) -> attack_base.View:
    """What an adversary saw in every seed; the fields of `Trial` are stacked.

    Args:
      members: numbers of the passive parties that act as one adversary.
      aux_rows: training rows whose labels the adversary knows.
      aux_labels: the labels of those rows.
    """
    data, bottoms = self.dataset, self.variables["bottoms"]
    joined = tuple if len(members) > 1 else lambda items: next(iter(items))
    of = lambda per_party: joined(per_party[k] for k in members)
    return attack_base.View(
      attack_base.Public(
        num_classes=data.num_classes,
        batch_size=self.batch_size,
        cut=self.net.cut,
        stages=tuple(s.name for s in self.net.model.stages),
        bottom=split.joint(self.net.bottom, len(members)),
        vocabulary=max(data.vocabulary[k] for k in members),
      ),
      attack_base.Shared(
        train=of(data.train.inputs),
        test=of(data.test.inputs),
        train_ids=data.train.ids,
        test_ids=data.test.ids,
        recorded_rows=self.recorder.rows,
      ),
      attack_base.Trial(
        bottom=split.together([bottoms[k] for k in members]),
        aux_rows=aux_rows,
        aux_labels=aux_labels,
        recorded={
          int(epoch): self._recorded(members, of, entry)
          for epoch, entry in self.kept["messages"].items()
        },
        code=self.code,
      ),
    )

  def _recorded(self, members, of, entry) -> attack_base.Recorded:
    """What an adversary recorded of one epoch.

    Args:
      members: numbers of its parties.
      of: function that joins the members' trees.
      entry: the recorded messages of that epoch.
    """
    parties = entry["parties"]
    bottom = split.together([entry["bottoms"][k] for k in members])
    if self.recorder.averaged:
      averages = attack_base.Averages(
        gradients=of([p["gradients"] for p in parties]),
        bottoms=split.together([parties[k]["bottoms"] for k in members]),
        rows=parties[members[0]]["rows"],
      )
      return attack_base.Recorded(bottom, averages=averages)
    theirs = {name: of([p[name] for p in parties]) for name in parties[0]}
    return attack_base.Recorded(bottom, **theirs, **entry["announced"])


def trained(
  config: Any, setup: federation_setup.Setup, variables: Any, kept: Any
) -> Federation:
  """The trained federation.

  Args:
    config: the experiment's config.
    setup: data and compiled functions.
    variables: variables after training.
    kept: recorded messages and snapshots, see `recording.keep`.
  """
  code = setup.defense.code
  return Federation(
    setup.net,
    variables,
    setup.dataset,
    kept,
    setup.recorder,
    setup.keys,
    setup.passive,
    config.train.batch_size,
    None if code is None else jnp.asarray(code(setup.codes)),
  )
