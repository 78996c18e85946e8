"""A trained federation, and what each of its parties has seen."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from vfl_jax.attacks import base as attack_base
from vfl_jax.data import base
from vfl_jax.federation import recording
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import split


@dataclasses.dataclass(frozen=True)
class Federation:
  """A trained federation as its evaluator sees it; seed axes first.

  Attributes:
    net: the split model.
    variables: final variables.
    dataset: partitioned; under a seal its labels cannot be read, see
      `seal.under`.
    kept: recorded messages and snapshots, see `recording.keep`.
    recorder: what of the messages was kept.
    keys: one root key per seed.
    passive: number of passive parties, the first ones.
    batch_size: of the training.
    code: what a defence has put for each class, `[seeds, classes, classes]`.
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
    self, members: Sequence[int], aux_rows, aux_labels
  ) -> attack_base.View:
    """What an adversary saw in every seed; the fields of `Trial` stacked.

    Args:
      members: passive parties that act as one.
      aux_rows: training rows it knows the labels of, `[seeds, m]`.
      aux_labels: those labels.
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
    """What an adversary kept of one epoch; `of` joins what its members have."""
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
  """The federation with its final variables and what was kept."""
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
