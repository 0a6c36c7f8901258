"""The environment variables that libraries read only once, when they are imported."""

from __future__ import annotations

from collections.abc import Iterable

from sparkexp.engine.transfer.train_imports import HEAVY_MODULES

__all__ = ["ANY", "find_affected", "find_readers", "is_setting", "list_readers", "name_settings"]

# Stands for variables whose names can't be told.
ANY = "*"

# Prefixes of variables, and the libraries that read such variables at their import.
READERS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("KERAS_",), ("keras",)),
    (("TF_", "TF2_"), ("tensorflow", "keras", "transformers")),
    (("XLA_", "JAX_"), ("jax",)),
    (("MPL", "MATPLOTLIBRC"), ("matplotlib",)),
    (("HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TOKENIZERS_"), ("transformers",)),
    (("TRANSFORMERS_", "PYTORCH_TRANSFORMERS_", "SAFETENSORS_"), ("transformers",)),
    (("USE_TF", "USE_TORCH", "USE_JAX", "USE_FLAX", "FORCE_TF_AVAILABLE"), ("transformers",)),
    (("TFDS_",), ("tensorflow_datasets",)),
    (("TORCH_", "PYTORCH_", "ATEN_"), ("torch",)),
    (("SCIPY_",), ("scipy", "sklearn")),
    (("SKLEARN_", "JOBLIB_"), ("sklearn",)),
    (("PANDAS_",), ("pandas",)),
    (("NUMEXPR_",), ("numexpr",)),
    (("NPY_", "NUMPY_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_"), ("numpy", "scipy")),
    (
        ("OMP_", "GOMP_", "KMP_", "MKL_"),
        ("numpy", "scipy", "sklearn", "torch", "xgboost", "lightgbm"),
    ),
    # Where libraries look for their own settings and caches.
    (
        ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
        ("keras", "matplotlib", "transformers", "torch"),
    ),
)
# What these prefixes cover, too, but is read later: whoever sets it in a train function is in
# time. So are CUDA_VISIBLE_DEVICES and its kind.
READ_LATER = frozenset(
    {
        "TF_CONFIG",
        "TF_CPP_MAX_VLOG_LEVEL",
        # TensorFlow's messages alone. Many programs set it, and it is not worth an import of
        # TensorFlow in every trial.
        "TF_CPP_MIN_LOG_LEVEL",
        "TF_CPP_MIN_VLOG_LEVEL",
        "TF_CPP_VMODULE",
        "TF_CUDNN_DETERMINISTIC",
        "TF_DETERMINISTIC_OPS",
        "TF_FORCE_GPU_ALLOW_GROWTH",
        "TF_GPU_ALLOCATOR",
        "TF_GPU_THREAD_COUNT",
        "TF_GPU_THREAD_MODE",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_XLA_FLAGS",
        "TOKENIZERS_PARALLELISM",
        "TORCH_HOME",
        # Libraries set these themselves, when they are imported.
        "KMP_DUPLICATE_LIB_OK",
        "KMP_INIT_AT_FORK",
        "TF2_BEHAVIOR",
    }
)
# Which heavy modules import which, directly or not: they are as old as what they import.
IMPORTERS: dict[str, tuple[str, ...]] = {
    "jax": ("keras",),
    "numpy": HEAVY_MODULES,  # all of them compute with it
    "keras": ("tensorflow", "tensorflow_datasets", "transformers"),
    "numexpr": ("pandas", "xgboost", "lightgbm"),
    "pandas": ("lightgbm", "xgboost"),
    "scipy": ("lightgbm", "sklearn", "tensorflow", "transformers", "xgboost"),
    "sklearn": ("lightgbm", "transformers", "xgboost"),
    "tensorflow": ("keras", "tensorflow_datasets", "transformers"),
    "torch": ("keras", "transformers"),
}


def is_setting(variable: str) -> bool:
    """Return whether a library reads an environment variable when it is imported.

    Examples
    --------
    >>> is_setting("KERAS_BACKEND"), is_setting("TF_FORCE_GPU_ALLOW_GROWTH"), is_setting("PATH")
    (True, False, False)
    """
    return variable == ANY or bool(find_readers(variable))


def find_readers(variable: str) -> tuple[str, ...]:
    """Return the libraries that read an environment variable when they are imported.

    Examples
    --------
    >>> find_readers("MPLBACKEND")
    ('matplotlib',)
    """
    if variable in READ_LATER:
        return ()
    return tuple(
        reader
        for prefixes, readers in READERS
        if variable.startswith(prefixes)
        for reader in readers
    )


def find_affected(variables: Iterable[str]) -> tuple[str, ...]:
    """Return the modules that must be imported after environment variables are set.

    Parameters
    ----------
    variables : iterable of str
        Names of variables; `ANY` stands for every one.

    Examples
    --------
    >>> find_affected(["KERAS_BACKEND"])
    ('keras', 'tensorflow', 'tensorflow_datasets', 'transformers')
    """
    variables = set(variables)
    if ANY in variables:
        return tuple(sorted(HEAVY_MODULES))
    readers = {reader for variable in variables for reader in find_readers(variable)}
    importers = {name for reader in readers for name in IMPORTERS.get(reader, ())}
    return tuple(sorted(readers | importers))


def list_readers() -> frozenset[str]:
    """Return all libraries that read environment variables when they are imported."""
    return frozenset(reader for _, readers in READERS for reader in readers)


def name_settings(variables: Iterable[str]) -> str:
    """Return variables in words.

    Examples
    --------
    >>> name_settings(["KERAS_BACKEND"]), name_settings([ANY])
    ('KERAS_BACKEND', "environment variables that its code doesn't name")
    """
    words = {ANY: "environment variables that its code doesn't name"}
    return " and ".join(words.get(variable, variable) for variable in variables)
