"""Print the commands of a README's `sh` blocks, one a line.

A block behind the comment `<!-- not run: REASON -->` is left out.
"""

import pathlib
import re
import sys

text = pathlib.Path(sys.argv[1]).read_text("utf-8")
for block in re.finditer(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
  if re.search(r"<!-- not run: .* -->\s*$", text[: block.start()]):
    continue
  for line in block[1].replace("\\\n", " ").splitlines():
    if line.strip() and not line.startswith("#"):
      print(re.sub(r"\s+", " ", line.strip()))
