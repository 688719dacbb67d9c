"""The tensors that a safetensors file's header tells of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

from models_app.content.safetensors import MAX_HEADER_BYTES, BadSafetensors, check_tensor, read_header


@dataclass(frozen=True)
class Tensor:
    """One tensor: where its bytes lie in the file, ends exclusive."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start

    @property
    def dimensions(self) -> str:
        """Its shape as people write it."""
        return " × ".join(map(str, self.shape)) or "1"


@dataclass(frozen=True)
class TensorFile:
    """The tensors in the order of their bytes, what the file says of itself, and where its data begins."""

    tensors: tuple[Tensor, ...]
    metadata: dict[str, str]
    data_start: int

    @property
    def parameters(self) -> int:
        """How many numbers all tensors hold."""
        total = 0
        for tensor in self.tensors:
            count = 1
            for side in tensor.shape:
                count *= side
            total += count
        return total


def read_tensors(file: BinaryIO, size: int, max_header: int = MAX_HEADER_BYTES) -> TensorFile:
    """The header of a file of `size` bytes, positioned at its start; BadSafetensors where it is not sound."""
    header, length = read_header(file, size, max_header)
    begin = 8 + length
    tensors = []
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        check_tensor(name, tensor, size - begin)
        first, last = tensor["data_offsets"]
        tensors.append(Tensor(name, tensor["dtype"], tuple(tensor["shape"]), begin + first, begin + last))
    if sum(tensor.size for tensor in tensors) > size - begin:
        raise BadSafetensors("The tensors overlap: together they are larger than the file.")
    tensors.sort(key=lambda tensor: (tensor.start, tensor.name))
    return TensorFile(tuple(tensors), _metadata(header.get("__metadata__")), begin)


def _metadata(value: Any) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key)[:100]: str(told)[:500] for key, told in list(pairs)[:50]}
