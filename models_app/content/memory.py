"""What memory a model's weights mean, by the field's rules of thumb; a measured run says it better."""

from __future__ import annotations

from collections.abc import Mapping

# Beside the weights: activations, buffers, the library itself.
RUNNING_OVERHEAD = 1.2
# Weights, gradients and Adam's two moments in float32, for each parameter.
TUNING_BYTES = 16
_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}


def weights_bytes(dtype_counts: Mapping[str, int]) -> int:
    """Bytes of so many numbers of these types; types not known here count one byte each."""
    return sum(_BYTES.get(name, 1) * count for name, count in dtype_counts.items())


def to_run(weights: int) -> int:
    """Bytes of memory with which the model answers."""
    return int(weights * RUNNING_OVERHEAD)


def to_tune(parameters: int) -> int:
    """Bytes of memory in which all of the model learns, batch and activations aside."""
    return parameters * TUNING_BYTES
