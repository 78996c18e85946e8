"""Runs that several files of tests read."""

import pytest
from vfl_jax.experiments import experiment
from tests.helpers import tiny


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("finished")
  experiment.run(tiny.tiny(), workdir)
  return workdir
