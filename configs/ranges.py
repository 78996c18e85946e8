"""The defences that studies compare, each over its range of strengths."""

from collections.abc import Mapping
from typing import Any

from configs import common
from vfl_jax import config as configs

# the weakest first
STRENGTHS: dict[str, tuple[dict[str, Any], ...]] = {
  "gaussian": ({"scale": 0.001}, {"scale": 0.01}, {"scale": 0.1}),
  "laplace": ({"scale": 0.001}, {"scale": 0.01}, {"scale": 0.1}),
  "isotropic": ({"ratio": 0.3}, {"ratio": 1.0}, {"ratio": 3.0}),
  "max_norm": ({"noise": "along"}, {"noise": "isotropic"}),
  "perpendicular": ({"high": 3.0}, {"high": 10.0}),
  "grad_perturb": ({"epsilon": 10.0}, {"epsilon": 3.0}, {"epsilon": 1.0}),
  "marvell": ({"strength": 0.1}, {"strength": 1.0}, {"strength": 10.0}),
  "compression": ({"share": 0.5}, {"share": 0.25}, {"share": 0.1}),
  "sparsification": ({"share": 0.5}, {"share": 0.25}, {"share": 0.1}),
  "discrete": ({"bins": 24}, {"bins": 12}, {"bins": 6}),
  "sign": ({},),
  "ppdl": ({"share": 0.75}, {"share": 0.25}),
  "average": ({},),
  "label_dp": ({"epsilon": 4.0}, {"epsilon": 2.0}, {"epsilon": 1.0}),
  "kdk": ({"epsilon": 0.15}, {"epsilon": 0.3}, {"epsilon": 0.45}),
  "cae": ({"confusion": 0.5}, {"confusion": 1.0}, {"confusion": 2.0}),
  "dcae": ({"confusion": 1.0},),
  "lcd": ({"weight": 1.0}, {"weight": 10.0}),
  "mid": ({"weight": 0.001}, {"weight": 0.01}, {"weight": 0.1}),
  "dcor": ({"weight": 0.01}, {"weight": 0.1}, {"weight": 1.0}),
  "peloss": ({"weight": 0.2}, {"weight": 2.0}),
  "adversarial": ({"weight": 0.1}, {"weight": 1.0}, {"weight": 10.0}),
  "mixup": ({"alpha": 0.2}, {"alpha": 1.0}),
  "fedpass": ({},),
}
_MANY_CLASSES, _TWO_CLASSES = ("lcd",), ("marvell",)

# what is measured of every defence: the active party has features of its own,
# and whoever knows a defence attacks too
_MEASURED = {
  "data.active_features": True,
  "information.estimators": (),
  "compensation": (),
  "attacks": (
    "passive_completion",
    "norm",
    "direction",
    "gradient_clustering",
    "feature_inversion",
    "adaptive",
  ),
  # the draw of the known samples matters most of all
  "evaluate.aux_draws": 2,
  "record.samples": 500,
}


def study(
  name: str,
  arg: str,
  bases: Mapping[str, tuple[Any, int]],
  cpu: Mapping[str, Mapping[str, Any]],
) -> Any:
  """A study of all defences, at the reference cut and before it.

  Args:
    name: of the config file.
    arg: what follows its colon; a profile is the experiments' too.
    bases: by name, the module of an experiment's config and its class count.
    cpu: dotted keys that the profile "cpu" sets, by base.
  """
  config = configs.defaults("study")
  config.name = name
  for base, (module, classes) in bases.items():
    config.bases[base] = _measured(module, arg, cpu[base])
    if classes == 2:
      # where a top normalises, gradients say little
      config.bases[base].model.norm = "none"
  config.cells = defended({base: n for base, (_, n) in bases.items()})
  few = (config.cells[0], *config.cells[3:5], config.cells[-1])
  return common.argued(config, arg, {"cpu": {}, "step": {"cells": few}})


def _measured(module, arg, cpu):
  """An experiment as the studies of defences measure it."""
  profile = arg.split(",")[0]
  config = module.get_config(profile if profile in ("cpu", "step") else "")
  configs.assign(config, _MEASURED)
  if profile == "cpu":
    configs.assign(config, {"evaluate.attack_steps": 400, **cpu})
  last = config.train.epochs - 1
  config.record.epochs = tuple(sorted({0, last // 2, last}))
  return config


def defended(
  bases: Mapping[str, int], advances: tuple[int, ...] = (0, 1, 2, 3)
) -> tuple[dict[str, Any], ...]:
  """Cells of a study: no defence and every defence, at every cut.

  Args:
    bases: class counts of the experiments, by name.
    advances: stages by which the cut moves towards the inputs.
  """
  return tuple(
    {
      "labels": {
        "data": base,
        "defense": name,
        "strength": ", ".join(map(str, options.values())),
        "advance": advance,
      },
      "base": base,
      "set": {"defenses": (*_moved(advance), *_entry(name, options, classes))},
    }
    for base, classes in bases.items()
    for name, strengths in {"none": ({},), **STRENGTHS}.items()
    if name not in (_MANY_CLASSES if classes == 2 else _TWO_CLASSES)
    for options in strengths
    for advance in advances
  )


def _moved(advance):
  return ({"name": "cut", "advance": advance},) if advance else ()


def _entry(name, options, classes):
  if name == "none":
    return ()
  own = {"k": 2} if name == "kdk" and classes == 2 else {}
  return ({"name": name, **own, **options},)
