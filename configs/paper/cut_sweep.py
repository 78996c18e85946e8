"""Every cut from raw features to summed logits: is the defence free?

python main.py --config=configs/paper/cut_sweep.py:cpu
"""

from configs.baselines import credit_default_mlp
from configs import default
from configs.baselines import fashion_mnist_lenet
from configs.shared import studies
from configs.baselines import trec_transformer

# by name: the module, its stages, its reference cut
_BASES = {
  "digits": (default, 8, 4),
  "credit_default": (credit_default_mlp, 7, 4),
  "fashion_mnist": (fashion_mnist_lenet, 9, 5),
  "trec": (trec_transformer, 9, 5),
}
_EVERY = {
  **studies.BARE,
  "attacks": (
    "possible",
    "passive_completion",
    {
      "name": "passive_completion",
      "label": "adaptive completion",
      "variants": (("frozen", -1, 1.0), ("finetuned", -1, 1.0)),
    },
    *("direct", "norm", "direction", "supervised_gradients"),
    *("gradient_clustering", "similarity", "supervised_embeddings"),
    "feature_inversion",
  ),
  "record.samples": 500,
}


def get_config(arg: str = ""):
  return studies.study(
    "cut_sweep",
    arg,
    "cuts",
    {base: module for base, (module, _, _) in _BASES.items()},
    [
      {
        "labels": {"data": base, "cut": cut, "advance": reference - cut},
        "base": base,
        "set": {"model.cut": cut},
      }
      for base, (_, stages, reference) in _BASES.items()
      for cut in range(stages + 1)
    ],
    every=_EVERY,
    own={
      "credit_default": {"model.norm": "none"},
      # its rarest class is one row in sixty
      "trec": {"model.depth": 2, "record.samples": 2000},
    },
  )
