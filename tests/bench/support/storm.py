"""What `storms`, `waits` and `soak` begin with; see tests/programs/storm.c."""
import json
import os
import pathlib
import subprocess
import tempfile
import time

KINDS = ["forks", "opens", "missing", "connects", "questions"]
PROGRAMS = pathlib.Path(__file__).resolve().parents[2] / "programs"


def prepare(purpose, *programs):
    """A folder in memory with the programs, and with the files that they open."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"glasshouse-{purpose}-", dir="/dev/shm"))
    subprocess.run([PROGRAMS / "build", folder, "storm", "print_pid", *programs], check=True)
    for number in range(1_000):
        (folder / f"f{number}").write_text("x")
    (folder / "needle").write_text("x")
    return folder


def watch(glasshouse, folder, kind, events, needle, environment):
    """One storm under glasshouse: how long it took, in seconds, and its receipt. What is in `environment` comes on top."""
    receipt = folder / "receipt.json"
    command = [glasshouse.resolve(), "watch", "--no-tui", "--quiet", "--receipt", receipt, "--"]
    command += [folder / "storm", kind, str(events), needle]
    begun = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    return time.monotonic() - begun, json.loads(receipt.read_text())
