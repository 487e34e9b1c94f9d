from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import CannotDropRoot

DEMOTED_USER = "nobody"


@dataclass(frozen=True)
class Unprivileged:
    """The identity of a program that refuses root: it runs behind `prefix`, and `uid` and `gid` own its files."""

    prefix: tuple[str, ...]
    uid: int
    gid: int

    def own(self, directory: Path) -> None:
        """Give `directory` and everything below it to the identity; cheap if it owns it already."""
        if directory.stat().st_uid == self.uid:
            return
        for folder, _, files in os.walk(directory):
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


def choose_identity(program: Path) -> Unprivileged:
    """Choose the identity to run `program` as: our own, root's in a user namespace, or another user's.

    Both of root's ways keep its access to files, so a checkout below a 0700 directory works. A container
    usually refuses the first and allows the second. Raises `CannotDropRoot` if neither works.
    """
    if os.geteuid() != 0:
        return Unprivileged((), os.geteuid(), os.getegid())
    unshare = (shutil.which("unshare") or "unshare", "--user", "--map-user=1000", "--map-group=1000")
    if _runs(*unshare, str(program), "--version"):
        return Unprivileged(unshare, 0, 0)
    user = pwd.getpwnam(DEMOTED_USER)
    setpriv = shutil.which("setpriv") or "setpriv"
    # With root's access to files: a checkout and its venv often lie below a directory that is root's alone.
    access = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    demote = (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *access)
    if _runs(*demote, str(program), "--version"):
        return Unprivileged(demote, user.pw_uid, user.pw_gid)
    raise CannotDropRoot(
        f"{program.name} refuses to run as root, and this machine lets root neither make a user namespace"
        f" (unshare) nor become {DEMOTED_USER} (setpriv); run as another user"
    )


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
