"""Attacks that know a defence, entries as in a config's `attacks`."""

# what a defence leaves in the embeddings is read by heads of every depth
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
# whoever knows the code that training uses instead of labels reads through it
DECODED_GRADIENT = {"name": "direct", "label": "decoding direct", "code": True}
DECODED_AVERAGES = {
  "name": "batch_inversion",
  "label": "decoding batch_inversion",
  "code": True,
}
# several recorded epochs are several looks at one label: noise averages out
SEVERAL_LOOKS = ("direction", "hint", "gradient_clustering")
# who knows what was mixed with what takes it apart again
UNMIXED = (
  {"name": "hint", "label": "unmixing hint", "unmix": True},
  {"name": "direction", "label": "unmixing direction", "unmix": True},
  *SEVERAL_LOOKS,
)
STRONGER = (COMPLETION, "hint", "direction")
