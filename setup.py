"""Install vfl_jax: `pip install .`, extras in brackets below."""

import pathlib

import setuptools

EXTRAS = {
  "cuda": ["jax[cuda13]"],
  "tpu": ["jax[tpu]"],
  "tf": ["tensorflow", "importlib_resources"],  # only to prepare TFDS sets
  "dp": ["dp-accounting>=0.6"],
  "slurm": ["submitit>=1.5.3"],
  "ray": ["ray>=2.49"],
  "tensorboard": ["tensorboardX>=2.6.2"],
  "notebook": ["ipykernel>=6.29", "nbclient>=0.10"],
  "docs": ["mkdocs-material>=9.6", "mkdocstrings[python]>=0.29"],
  "test": [
    "dp-accounting>=0.6",
    "submitit>=1.5.3",
    "tensorboardX>=2.6.2",
    "pytest>=8.2",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "beartype>=0.19",
  ],
  "bench": ["pytest>=8.2", "pytest-benchmark>=4.0", "torch==2.13.0"],
  "dev": [
    "ruff>=0.9",
    "pyright>=1.1.390",
    "pandas-stubs>=2.2.3",
    "scipy-stubs>=1.15",
    "check-jsonschema>=0.29",
  ],
}

setuptools.setup(
  name="vfl_jax",
  version="0.1.0",
  description="Label privacy in vertical federated learning, in JAX.",
  long_description=pathlib.Path("README.md").read_text("utf-8"),
  long_description_content_type="text/markdown",
  license="Apache-2.0",
  python_requires=">=3.11",
  packages=setuptools.find_packages(include=["vfl_jax", "vfl_jax.*", "launch"]),
  package_data={"vfl_jax": ["results/pages/templates/*.html", "py.typed"]},
  install_requires=[  # .ci/lowest tests these very versions
    "jax>=0.10,<0.13",
    "flax>=0.12.6",
    "optax>=0.2.8",
    "orbax-checkpoint>=0.12,<1",
    "tensorflow-datasets>=4.9.10",
    "pillow>=11.0",
    "numpy>=2.2",
    "absl-py>=2.2",
    "filelock>=3.16",
    "ml-collections>=1.0",
    "scikit-learn>=1.6",
    "threadpoolctl>=3.5",
    "scipy>=1.15",
    "scikit-image>=0.25",
    "pandas>=2.2.3",
    "pyarrow>=19.0.1",
    "matplotlib>=3.10",
    "jinja2>=3.1.5",
    "rich>=13.9",
    "jaxtyping>=0.3",
    "tokenizers>=0.21",
  ],
  extras_require=EXTRAS,
)
