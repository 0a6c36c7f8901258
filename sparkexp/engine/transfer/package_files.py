"""Tells what belongs to a package: its code, its data files, and nothing that lies about in it."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

__all__ = ["PackageFile", "module_names", "package_files", "read_file"]

_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "dist-packages"}
# What marks a folder as a Python environment.
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
# Whatever the file is for: it is not worth the risk. Code is sent, whatever its name.
_SECRETS = (
    *("*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk", "*.kdbx", "*.env"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*credential*", "secret", "secrets"),
    *("secret.*", "secrets.*", "*client_secret*", "*service_account*.json", "*kubeconfig*"),
    *("*service-account*.json", "*.tfstate*", "password*", "*htpasswd*", "_netrc", "*.asc"),
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_CERTIFICATE = b"-----BEGIN CERTIFICATE"
_COMPILED_NAME = re.compile(r"\.(so(\.\d+)*|pyd|dll|dylib)$")
# The first bytes of programs and libraries: ELF, Windows, and four kinds of macOS.
_COMPILED_HEAD = (
    *(b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"),
    *(b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf"),
)
_MAX_DEPTH = 40


@dataclass(frozen=True)
class PackageFile:
    """A file of a package.

    Parameters
    ----------
    name : str
        Its path from the folder in which the package lies.
    path : Path
        Where it is.
    size : int
        In bytes.
    is_executable : bool
        Whether it may be run as a program.
    """

    name: str
    path: Path
    size: int
    is_executable: bool = False

    @property
    def is_code(self) -> bool:
        """Whether the package can't be imported without it."""
        return self.name.endswith((".py", ".typed")) or self.is_compiled

    @cached_property
    def is_compiled(self) -> bool:
        """Whether it is a program or a library of some platform."""
        if _COMPILED_NAME.search(self.name):
            return True
        if self.name.endswith(".py") or self.size < 4:
            return False
        try:
            with self.path.open("rb") as file:
                return file.read(4).startswith(_COMPILED_HEAD)
        except OSError:
            return False


def package_files(folder: Path, name: str) -> Iterator[PackageFile]:
    """Yield the files of a package, in a fixed order.

    Links that dangle, go round or lead out of the package, pipes, hidden files, environments and
    what may be a secret are passed over.

    Parameters
    ----------
    folder : Path
        The package's folder.
    name : str
        Its name.
    """
    # Some installers make a package of links, one for each file: then it lies where they lead.
    homes = [folder.resolve(), (folder / "__init__.py").resolve().parent]
    yield from _files(folder, name, homes, [folder.resolve()], linked=False)


def _files(
    folder: Path, prefix: str, homes: list[Path], above: list[Path], linked: bool
) -> Iterator[PackageFile]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.name.startswith("."):
            continue
        name = f"{prefix}/{path.name}"
        try:
            status, is_link = path.stat(), path.is_symlink()
            target = path.resolve() if is_link else above[-1] / path.name
        except (OSError, RuntimeError):  # a link that dangles or goes round
            continue
        if stat.S_ISDIR(status.st_mode):
            # A link below a linked folder is not followed: a few of them can make endless paths.
            if target in above or len(above) > _MAX_DEPTH or (is_link and linked):
                continue
            is_ours = _is_below(target, homes) or (path / "__init__.py").is_file()
            if is_ours and not _is_foreign_folder(path):
                yield from _files(path, name, homes, [*above, target], linked or is_link)
        elif stat.S_ISREG(status.st_mode):
            is_module = path.suffix == ".py"
            is_ours = not is_link or _is_below(target, [*homes, *above])
            is_secret = _is_secret(name.partition("/")[2]) or _is_secret(target.name)
            if is_module or (is_ours and not is_secret and not _may_hold_key(path)):
                yield PackageFile(name, path, status.st_size, bool(status.st_mode & 0o100))


def _is_below(path: Path, folders: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _is_foreign_folder(path: Path) -> bool:
    return path.name in _SKIPPED_FOLDERS or any((path / sign).exists() for sign in _ENVIRONMENT)


def _is_secret(name: str) -> bool:
    return any(fnmatch(part, pattern) for part in name.lower().split("/") for pattern in _SECRETS)


def _may_hold_key(path: Path) -> bool:
    """Return whether a .pem file holds more than certificates, which are no secrets."""
    if path.suffix.lower() != ".pem":
        return False
    try:
        content = path.read_bytes()
    except OSError:
        return True
    return _CERTIFICATE not in content or _PRIVATE_KEY.search(content) is not None


def read_file(file: PackageFile) -> bytes | None:
    """Return a file's content; None if it can't be read or holds a private key."""
    try:
        content = file.path.read_bytes()
    except OSError:
        return None
    if not file.is_code and _PRIVATE_KEY.search(content):
        return None
    return content


def module_names(folder: Path, depth: int = 8) -> list[str]:
    """Return the modules in a folder; of packages without ``__init__`` their parts."""
    names: list[str] = []
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return names
    for path in entries:
        stem = path.name.partition(".")[0]
        if not stem.isidentifier():
            continue
        if path.suffix == ".py" or _COMPILED_NAME.search(path.name):
            names.append(stem)
        elif (path / "__init__.py").is_file():
            names.append(path.name)
        elif path.is_dir() and not path.is_symlink() and depth and not _is_foreign_folder(path):
            names += [f"{path.name}.{part}" for part in module_names(path, depth - 1)]
    return names
