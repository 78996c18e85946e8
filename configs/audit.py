"""Your own federation: every cut tried, attacked and priced, one recommended.

  python main.py --config=configs/audit.py --config.data.path=my.parquet

A table with a column "label" (`--config.data.label=NAME` for another), texts
(`data.text=COLUMN`, `model.name=transformer`) or images (.npz,
`model.name=lenet`); without a path the breast cancer table that ships with
scikit-learn. What you want of it: `audit.protect`, `audit.max_utility_loss`,
`audit.max_leakage`, `audit.max_exposed`, `audit.max_bytes`; what to try at
every cut besides: `audit.defenses`.
"""

from configs import common
from vfl_jax import config as configs


def get_config(arg: str = ""):
  config = configs.defaults("audit")
  config.data.name = "breast_cancer"
  config.model = common.model(
    "mlp", hidden=(64, 32, 16), embedding=8, top=(16, 8), norm="none"
  )
  configs.assign(config, {"train.learning_rate": 0.02, "train.batch_size": 32})
  configs.assign(config, {"evaluate.aux_draws": 2, "record.samples": 500})
  return common.argued(config, arg, {"cpu": _CPU, "step": _STEP})


_CPU = {"data.train_size": 5000, "data.test_size": 2000}
_STEP = {
  "seeds": 3,
  "data.train_size": 300,
  "data.test_size": 150,
  "train.epochs": 1,
  "evaluate.attack_steps": 1,
  "audit.cuts": (1, 4),
}
