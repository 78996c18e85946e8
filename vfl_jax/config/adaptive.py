"""Attacks adapted to a defence, as entries of a config's `attacks`."""

# heads of every depth read what a defence leaves in the embeddings
COMPLETION = {
  "name": "passive_completion",
  "label": "adaptive completion",
  "variants": (
    ("frozen", 0, 1.0),
    ("frozen", 1, 1.0),
    ("frozen", -1, 1.0),
    ("finetuned", 1, 1.0),
    ("finetuned", -1, 1.0),
  ),
}
# an attacker that knows the code used instead of labels can decode it
DECODED_GRADIENT = {"name": "direct", "label": "decoding direct", "code": True}
DECODED_AVERAGES = {
  "name": "batch_inversion",
  "label": "decoding batch_inversion",
  "code": True,
}
# several recorded epochs show a label several times: noise averages out
SEVERAL_LOOKS = (
  "direction",
  "hint",
  "supervised_gradients",
  "gradient_clustering",
)
# an attacker that knows which rows were mixed can separate them
UNMIXED = (
  {"name": "hint", "label": "unmixing hint", "unmix": True},
  {"name": "direction", "label": "unmixing direction", "unmix": True},
  *SEVERAL_LOOKS,
)
STRONGER = (COMPLETION, "hint", "direction")
