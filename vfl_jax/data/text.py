"""Tokens: a byte-pair tokenizer trained on the training split only."""

from collections.abc import Sequence

import numpy as np


def tokenize(
  train: Sequence[str],
  others: Sequence[Sequence[str]],
  *,
  vocabulary: int,
  length: int,
) -> tuple[int, list[np.ndarray]]:
  """Tokenizes every split, truncated or padded (id 0) to one length.

  Args:
    train: texts on which the tokenizer is trained.
    others: texts of the other splits.
    vocabulary: largest number of token ids.
    length: number of tokens per text.

  Returns:
    `(number of ids, [train, *others])`, int32 arrays `[n, length]`.
  """
  import tokenizers

  tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[unk]"))
  tokenizer.normalizer = tokenizers.normalizers.Sequence(
    [tokenizers.normalizers.NFKC(), tokenizers.normalizers.Lowercase()]
  )
  tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
  trainer = tokenizers.trainers.BpeTrainer(
    vocab_size=vocabulary,
    special_tokens=["[pad]", "[unk]"],
    show_progress=False,
  )
  tokenizer.train_from_iterator(train, trainer)
  tokenizer.enable_padding(length=length, pad_id=0, pad_token="[pad]")
  tokenizer.enable_truncation(length)
  arrays = [
    np.array(
      [e.ids for e in tokenizer.encode_batch(list(texts))], np.int32
    ).reshape(-1, length)
    for texts in (train, *others)
  ]
  return tokenizer.get_vocab_size(), arrays
