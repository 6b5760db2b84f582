"""Packages that only a part of ganaug needs: ``pip install "ganaug[onnx]"`` installs those of the extra ``onnx``."""

from importlib.util import find_spec

from ganaug.errors import UserError


def need(*packages: str, extra: str, what: str) -> None:
    """Raises UserError if any of the ``packages`` that ``what`` takes cannot be found; ``extra`` installs them.

    Nothing is imported.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UserError(
            f"{' and '.join(packages)} must be installed for {what}, but {' and '.join(missing)} cannot be found; "
            f'run pip install "ganaug[{extra}]"'
        )
