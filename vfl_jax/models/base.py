"""Names for what models hold and put out, with their shapes.

What passes between stages may be a tree; every leaf has a row per sample.
"""

from typing import Any

from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import PyTree
from jaxtyping import Shaped

# {"params": ..., "stats": ...}, each by the name of a stage
Variables = dict[str, Any]
# what one party sends up: a row for each of the batch
Embeddings = PyTree[Shaped[Array, "rows ..."]]
# what comes down for it: None at cut 0
CutGradients = PyTree[Float[Array, "rows ..."]] | None
Logits = Float[Array, "rows classes"]
