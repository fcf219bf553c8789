"""What of Parquet's types the engine reads as they are, and what takes the place of the others."""

import pyarrow
from pyarrow import ArrowException, types

AS_THEY_ARE = (
    types.is_integer,
    types.is_float32,
    types.is_float64,
    types.is_boolean,
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_binary,
    types.is_large_binary,
    types.is_binary_view,
    types.is_fixed_size_binary,
    types.is_decimal128,
    types.is_date32,
    types.is_null,
)


def readable(values: pyarrow.Array) -> pyarrow.Array:
    """The same values in a type that the engine reads without fail, whatever they are.

    Times are counts of their unit since 1970, for the engine knows fewer years than Parquet; what else it
    doesn't know is text.
    """
    kind = values.type
    if types.is_timestamp(kind) or types.is_date64(kind) or types.is_duration(kind):
        return values.view(pyarrow.int64())
    if types.is_float16(kind):
        return values.cast(pyarrow.float32())
    if types.is_decimal256(kind) or types.is_time(kind):
        return values.cast(pyarrow.string())
    if types.is_dictionary(kind) and is_text(kind.value_type):
        return values.cast(kind.value_type)
    return values if _is_known(kind) else pyarrow.array(map(_as_text, values), pyarrow.string())


def is_text(kind: pyarrow.DataType) -> bool:
    """Whether values of this type are texts, once they are `readable`."""
    value_kind = kind.value_type if types.is_dictionary(kind) else kind
    return (
        types.is_string(value_kind) or types.is_large_string(value_kind) or types.is_string_view(value_kind)
    )


def _is_known(kind: pyarrow.DataType) -> bool:
    if types.is_struct(kind):
        return kind.num_fields > 0 and all(_is_known(field.type) for field in kind)
    if types.is_map(kind):
        return _is_known(kind.key_type) and _is_known(kind.item_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_known(kind.value_type)
    return any(is_kind(kind) for is_kind in AS_THEY_ARE)


def _as_text(value: pyarrow.Scalar) -> str | None:
    try:
        return None if not value.is_valid else str(value.as_py())
    except (ArrowException, ArithmeticError, ValueError):
        return None
