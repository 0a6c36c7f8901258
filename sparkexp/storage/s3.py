"""S3 through s3fs, with a time limit for each request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sparkexp.storage.deadline import CALL_S

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["open_s3"]

# When a server doesn't answer, the client gives up soon: the caller decides whether to try again.
CONNECT_S = 5
READ_S = 10
N_TRIES = 2
# A request that carries content may take longer: as long as this speed needs.
SLOWEST_BYTES_PER_S = 250_000


def open_s3() -> AbstractFileSystem:
    """Return the S3 file system, with server and credentials from the environment."""
    import s3fs
    from botocore.exceptions import ConnectionError as BotoConnectionError
    from botocore.exceptions import HTTPClientError, NoCredentialsError
    from fsspec.asyn import sync_wrapper

    class BoundedS3(s3fs.S3FileSystem):  # type: ignore[misc]
        async def _call_s3(self, method: str, *args: Any, **kwargs: Any) -> Any:
            body = kwargs.get("Body", b"")
            limit_s = CALL_S + (len(body) if hasattr(body, "__len__") else 0) / SLOWEST_BYTES_PER_S
            try:
                async with asyncio.timeout(limit_s):
                    return await super()._call_s3(method, *args, **kwargs)
            except TimeoutError:
                # Not a TimeoutError, after which s3fs would try everything again.
                raise ConnectionError(f"no answer from S3 within {limit_s:.0f} s") from None
            except (HTTPClientError, BotoConnectionError) as error:  # not OSErrors
                raise ConnectionError(str(error)) from error
            except NoCredentialsError as error:
                raise PermissionError(f"S3: {error}") from error

        call_s3 = sync_wrapper(_call_s3)

    settings: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "read_timeout": READ_S,
        "retries": {"max_attempts": N_TRIES},
    }
    filesystem = BoundedS3(
        config_kwargs=settings, use_listings_cache=False, skip_instance_cache=True
    )
    filesystem.retries = N_TRIES
    return filesystem
