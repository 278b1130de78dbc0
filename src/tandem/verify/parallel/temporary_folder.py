"""Makes the folder of temporary files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tandem.errors import TandemError

# For each record of about 200 bytes.
_BYTES = 500
_NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def temporary_folder(home: Path, records: int) -> Iterator[Path]:
    """Yields a folder, which is removed after the block.

    Args:
        home: where it is made.
        records: the number of records whose rows are written to it.

    Raises:
        TandemError: the disk is full, or the user may not write there.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="verify-", dir=home) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        needed = -(-records * _BYTES // 1_000_000)
        raise TandemError(
            f"verify cannot write temporary files to {home}: {error.strerror}",
            hint=f"it needs about {needed:,} MB there, or four times the size of records of more than 200 bytes; "
            "set TANDEM_STATE_DIR to a folder that has as much space",
        ) from error
