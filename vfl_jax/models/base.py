"""Type aliases for the variables and outputs of models, with their shapes.

The output of a stage may be a tree; each of its leaves has one row per sample.
"""

from typing import Any

from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import PyTree
from jaxtyping import Shaped

# {"params": ..., "stats": ...}, each by the name of a stage
Variables = dict[str, Any]
# what one party sends up: one row per row of the batch
Embeddings = PyTree[Shaped[Array, "rows ..."]]
# what comes down to that party; None at cut 0
CutGradients = PyTree[Float[Array, "rows ..."]] | None
Logits = Float[Array, "rows classes"]
