"""Adult census income (OpenML) in two halves, mlp, reference cut.

  python main.py --config=configs/adult_mlp.py

RESULT
"""

from configs import common


def get_config(arg: str = ""):
  return common.experiment(
    "adult_mlp",
    arg,
    data=dict(name="adult"),
    model=common.model("mlp", hidden=(64, 32, 16)),
    train=dict(epochs=20, batch_size=128, learning_rate=0.02),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
