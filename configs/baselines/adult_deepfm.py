"""Adult census income (OpenML) in two halves, deepfm, reference cut.

  python main.py --config=configs/baselines/adult_deepfm.py

Profile cpu (not the full experiment), 5 seeds: test auc 0.894 [0.887, 0.900].
Passive completion on test rows: party 0 0.805 against 0.782 (features only),
advantage +0.023 [+0.003, +0.043]; party 1 0.798 against 0.787 (features
only), advantage +0.011 [-0.048, +0.071].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "adult_deepfm",
    arg,
    data=dict(name="adult", encoding="fields"),
    model=common.model("deepfm", embedding=8, top=(16, 8)),
    train=dict(epochs=20, batch_size=128, learning_rate=0.02),
    evaluate=dict(aux_per_class=50, metric="auc"),
    cpu={"train.batch_size": 64, "seeds": 5},
  )
