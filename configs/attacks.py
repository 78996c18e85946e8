"""Every attack, on digits or on breast cancer, at any cut.

  python main.py --config=configs/attacks.py:cut=2
  python main.py --config=configs/attacks.py:data.name=breast_cancer,cut=2

docs/attacks has a page on each of them, with what it got at every cut.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "attacks",
    arg,
    seeds=5,
    # without batch norm, which hides gradients in the top, and so with steps
    # that do not kill its units
    model=common.model("mlp", norm="none"),
    train=dict(learning_rate=0.02),
    attacks=(
      "all",
      "passive_completion",
      {
        "name": "passive_completion",
        "label": "passive_completion, adaptive",
        "variants": (("frozen", -1, 1.0), ("finetuned", -1, 1.0)),
      },
      {"name": "unsplit", "steps": 2000},
      {"name": "exploit", "steps": 2000},
    ),
    record=dict(epochs=(0, 29)),
    information=dict(estimators=(), samples=2000, steps=100),
    compensation=(),
    evaluate=dict(attack_steps=400, label_prior=True),
    step={"record.epochs": (0,)},
  )
