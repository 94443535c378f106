"""What `storms`, `waits` and `soak` begin with; see tests/programs/storm.c."""
import pathlib
import subprocess
import tempfile

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
