"""Small real data sets that ship with scikit-learn, without a download."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vfl_jax.data import base
from vfl_jax.data import raw


class Digits:
  """Handwritten digits: 1,797 images of 8x8, 10 classes (Alpaydin 1998)."""

  def __init__(self, config: Mapping[str, Any]):
    del config

  def describe(self) -> base.Header:
    """The known header; nothing is read."""
    return base.Header("digits", "image", 1797, 8, 10)

  def read(self) -> raw.Raw:
    """The data set from scikit-learn's installation."""
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) * 15).astype(np.uint8)  # 0..16
    return raw.Raw("digits", "image", images, labels)


class BreastCancer:
  """Breast cancer Wisconsin (diagnostic): 569 rows, 30 columns, 2 classes."""

  def __init__(self, config: Mapping[str, Any]):
    del config

  def describe(self) -> base.Header:
    """The known header; nothing is read."""
    return base.Header("breast_cancer", "table", 569, 30, 2)

  def read(self) -> raw.Raw:
    """The data set from scikit-learn's installation."""
    from sklearn import datasets

    frame, labels = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    return raw.Raw("breast_cancer", "table", frame, np.asarray(labels))
