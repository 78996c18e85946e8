"""Your own federation: every cut tried, attacked and priced, one recommended.

  python main.py --config=configs/audit.py --config.data.path=my.parquet

A table with a column "label" (`--config.data.label=NAME` for another). Texts:
`audit.py:text` with `--config.data.text=COLUMN`; images: `audit.py:image` with
an .npz. Without a path the breast cancer table, the TREC questions, or the
digits. What you want of it: `audit.protect`, `audit.max_utility_loss`,
`audit.max_leakage`, `audit.max_exposed`, `audit.max_bytes`; what to try at
every cut besides: `audit.defenses`. `:cpu` is the same in minutes on two cores.
"""

from configs.shared import common
from vfl_jax.config import schema


def get_config(arg: str = ""):
  config = schema.defaults("audit")
  kinds = [part for part in arg.split(",") if part in _KINDS]
  for section, values in _KINDS[kinds[0] if kinds else "table"].items():
    if section == "model":
      config.model = common.model(**values)
    else:
      config[section].update(values)
  config.record.samples = 500
  rest = ",".join(part for part in arg.split(",") if part not in _KINDS)
  return common.argued(config, rest, {"cpu": _CPU, "step": _STEP})


_KINDS = {
  "table": {
    "data": {"name": "breast_cancer"},
    "model": {
      "name": "mlp",
      "hidden": (64, 32, 16),
      "embedding": 8,
      "top": (16, 8),
      "norm": "none",
    },
    "train": {"learning_rate": 0.02, "batch_size": 32},
  },
  "text": {
    "data": {"name": "trec", "length": 16},
    "model": {"name": "transformer", "depth": 2},
    "train": {"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.01},
  },
  "image": {"data": {"name": "digits"}, "model": {"name": "lenet"}},
}
_CPU = {
  "data.train_size": 5000,
  "data.test_size": 2000,
  "evaluate.attack_steps": 400,
}
_STEP = {
  "seeds": 3,
  "data.resplit": False,
  "data.train_size": 300,
  "data.validation_size": 100,
  "data.test_size": 150,
  "train.epochs": 1,
  "evaluate.attack_steps": 1,
  "evaluate.ceiling_steps": 1,
  "evaluate.aux_draws": 1,
  "audit.cuts": (1, 4),
}
