"""A SLURM cluster of one node, for tests: munged, slurmctld and slurmd."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=100000,\
batch_sched_delay=1
SlurmctldParameters=preempt_send_user_signal
MinJobAge=600
KillWait=2
JobRequeue=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=tests Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
  """What keeps a cluster from being started here, in words."""
  absent = [p for p in PROGRAMS if not shutil.which(p)]
  if absent:
    return f"no {', '.join(absent)} (Debian: slurm-wlm)"
  return "" if os.geteuid() == 0 else "slurmctld is started by root"


@contextlib.contextmanager
def cluster(folder: pathlib.Path, cores: int = 2):
  """A running cluster; its environment variables while it is there."""
  folder.chmod(0o755)  # munged wants nobody else to write on the way
  host = socket.gethostname().split(".")[0]
  ports = [_free_port(), _free_port()]
  for name in ("state", "spool"):
    (folder / name).mkdir()
  key = folder / "munge.key"
  key.write_bytes(os.urandom(128))
  key.chmod(0o600)
  conf = folder / "slurm.conf"
  conf.write_text(
    _CONF.format(
      host=host, port=ports[0], node_port=ports[1], folder=folder, cores=cores
    )
  )
  environment = {**os.environ, "SLURM_CONF": str(conf)}
  commands = [
    [
      *("munged", "--foreground", "--force"),
      f"--key-file={key}",
      f"--socket={folder}/munge.socket",
      f"--pid-file={folder}/munged.pid",
      f"--seed-file={folder}/munged.seed",
      f"--log-file={folder}/munged.log",
    ],
    ["slurmctld", "-D", "-c"],
    ["slurmd", "-D", "-c"],
  ]
  started = []
  with (folder / "daemons.log").open("wb") as log:
    try:
      for command in commands:
        command[0] = shutil.which(command[0]) or command[0]
        started.append(
          subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        )
        time.sleep(0.5)
      _wait_idle(environment, folder)
      yield environment
    finally:
      for process in reversed(started):
        process.terminate()
      for process in started:
        with contextlib.suppress(subprocess.TimeoutExpired):
          process.wait(10)
        process.kill()
      _end_steps(folder)


def _end_steps(folder):
  """Kills what the daemons left behind: steps hold logs in the folder open."""
  for link in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
    with contextlib.suppress(OSError):
      pid = int(link.parts[2])
      if os.readlink(link).startswith(f"{folder}/") and pid != os.getpid():
        os.kill(pid, signal.SIGKILL)


def ask(environment, *command: str) -> str:
  """What one of its commands prints."""
  done = subprocess.run(
    command, env=environment, capture_output=True, text=True, timeout=60
  )
  return done.stdout + done.stderr


def _wait_idle(environment, folder, seconds=60):
  for _ in range(seconds * 2):
    if "idle" in ask(environment, "sinfo", "-h", "-o", "%t"):
      return
    time.sleep(0.5)
  logs = [p.read_text(errors="replace")[-1500:] for p in folder.glob("*.log")]
  raise RuntimeError("no node came up:\n" + "\n".join(logs))


def _free_port() -> int:
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    return probe.getsockname()[1]
