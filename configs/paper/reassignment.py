"""Tasks that features are aligned with less and less, and what attacks find.

python main.py --config=configs/paper/reassignment.py:cpu
"""

from configs.baselines import breast_cancer_mlp
from configs.baselines import credit_default_mlp
from configs import default
from configs.baselines import fashion_mnist_mlp
from configs.shared import studies
from configs.baselines import trec_transformer

_BASES = {
  "digits": default,
  "fashion_mnist": fashion_mnist_mlp,
  "breast_cancer": breast_cancer_mlp,
  "credit_default": credit_default_mlp,
  "trec": trec_transformer,
}
_TASKS = {
  "identity": {},
  "permute": {},
  "merge": {},
  "split": {},
  **{f"mix {alpha}": {"alpha": alpha} for alpha in (0.75, 0.5, 0.25, 0.0)},
  "cross": {"copies": 10},
}
_ATTACKS = (
  "passive_completion",
  "spectral",
  {"name": "similarity", "on": "embeddings", "label": "embedding similarity"},
  *("norm", "direction", "supervised_gradients"),
  *("gradient_clustering", "similarity", "supervised_embeddings"),
  "active_completion",  # needs SGD
)
_EVERY = {
  **studies.BARE,
  "attacks": _ATTACKS,
  "evaluate.metric": "balanced_accuracy",
  "evaluate.alignment": True,
  "record.samples": 500,
}


def get_config(arg: str = ""):
  cells = [
    {
      "labels": {"data": base, "task": task},
      "base": base,
      "set": {"task": {"name": task.split()[0], **options}},
    }
    for base in _BASES
    for task, options in _TASKS.items()
    if task != "merge" or base not in ("breast_cancer", "credit_default")
  ]
  return studies.study(
    "reassignment",
    arg,
    "reassignment",
    _BASES,
    cells,
    every=_EVERY,
    own={"trec": {"attacks": _ATTACKS[:-1], "record.samples": 2000}},
    few=(0, 8),  # digits as they are, and crossed
  )
