"""Several groups at a time: a number of a kernel that is one float64 for each of `LANES` groups.

A kernel that treats all groups alike reads and writes such numbers in arrays of shape (.., LANES), by
`load` and `store`, and reckons with them as with floats; what stands between is kept in vector registers,
which a loop over the groups does not achieve: it goes back to memory after every operation. All lanes take
the same way, and the bits of each are those that its group would have alone.
"""

import operator
from collections.abc import Callable
from itertools import product
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.typing import templates

from cxstream.kernels.registry import helper

#: Numba's own types leave out how what follows is used.
_numba: Any = extending
_templates: Any = templates
_function: Any = cgutils.get_or_insert_function

#: Groups in a number: a vector of AVX-512, two of AVX2.
LANES: Final = 8


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(f"lanes({LANES})")


_TYPE: Final = _Lanes()
_VECTOR: Final = ir.VectorType(ir.DoubleType(), LANES)
_ORDER: Final = ir.VectorType(ir.IntType(32), LANES)


@_numba.register_model(_Lanes)
class _Model(_numba.models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _filled(builder: Any, value: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_ORDER, [0] * LANES))


def _let(function: Callable[..., Any], instruction: str, arguments: int) -> None:
    """Let an operator take such numbers; where there are two, floats beside one."""

    class Template(_templates.AbstractTemplate):  # type: ignore[misc]
        #: Asked before what Numba has for this operator, of which there is much.
        metadata: ClassVar = {"target": "cpu"}

        def generic(self, given: Any, names: Any) -> Any:
            known = len(given) == arguments and not names and _TYPE in given
            if known and all(isinstance(one, _Lanes | types.Float) for one in given):
                return _templates.signature(_TYPE, *given)
            return None

    def lower(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del context
        numbers = (
            value if isinstance(kind, _Lanes) else _filled(builder, value)
            for value, kind in zip(given, signature.args, strict=True)
        )
        return getattr(builder, instruction)(*numbers)

    _templates.infer_global(function)(Template)
    for kinds in product((_Lanes, types.Float), repeat=arguments):
        if _Lanes in kinds:
            _numba.lower_builtin(function, *kinds)(lower)


for _name, _instruction in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("truediv", "fdiv")):
    _let(getattr(operator, _name), _instruction, 2)
    _let(getattr(operator, f"i{_name}"), _instruction, 2)
_let(operator.neg, "fneg", 1)


def _data(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    field = context.data_model_manager[signature.args[0]].get_field_position("data")
    return builder.extract_value(given[0], field)


def _place(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    """Return where the second argument points to in the first, an array of float64."""
    data = _data(context, builder, signature, given)
    at = context.cast(builder, given[1], signature.args[1], types.intp)
    return builder.gep(builder.bitcast(data, _VECTOR.as_pointer()), [at])


def _of_load(typing: Any, array: Any, at: Any) -> Any:
    """Return the number at a place of an array of shape (.., LANES), counted through."""
    del typing

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_place(context, builder, signature, given), align=8)

    return _TYPE(array, at), generate


def _of_store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    """Put a number at a place of an array, as `load` counts them."""
    del typing, value

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.store(given[2], _place(context, builder, signature, given), align=8)
        return context.get_dummy_value()

    return types.void(array, at, _TYPE), generate


def _of_every(typing: Any, value: Any) -> Any:
    """Return the number that is the same float in all lanes."""
    del typing, value

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del context, signature
        return _filled(builder, *given)

    return _TYPE(types.float64), generate


def _of_where_above(typing: Any, value: Any, limit: Any, then: Any, otherwise: Any) -> Any:
    """Return `then` in the lanes where a number is above a limit, and what is otherwise elsewhere."""
    del typing, value, limit, then, otherwise

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del context, signature
        return builder.select(builder.fcmp_ordered(">", given[0], given[1]), given[2], given[3])

    return _TYPE(_TYPE, _TYPE, _TYPE, _TYPE), generate


def _calling(name: str, arguments: int) -> Callable[..., Any]:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del context, signature
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * arguments)
        full = f"llvm.{name}.v{LANES}f64"
        return builder.call(_function(builder.module, kind, full), given)

    return generate


def _of_fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once where the processor does that in one step."""
    del typing, a, b, c
    return _TYPE(_TYPE, _TYPE, _TYPE), _calling("fmuladd", 3)


def _of_rounded_once(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once: by the C library where the processor cannot."""
    del typing, a, b, c
    return _TYPE(_TYPE, _TYPE, _TYPE), _calling("fma", 3)


def _of_root(typing: Any, a: Any) -> Any:
    """Return the square root; NaN of what is below 0."""
    del typing, a
    return _TYPE(_TYPE), _calling("sqrt", 1)


def _of_size(typing: Any, a: Any) -> Any:
    """Return the number without its sign."""
    del typing, a
    return _TYPE(_TYPE), _calling("fabs", 1)


load: Any = _numba.intrinsic(_of_load)
store: Any = _numba.intrinsic(_of_store)
every: Any = _numba.intrinsic(_of_every)
fused: Any = _numba.intrinsic(_of_fused)
rounded_once: Any = _numba.intrinsic(_of_rounded_once)
root_of: Any = _numba.intrinsic(_of_root)
size_of: Any = _numba.intrinsic(_of_size)
where_above: Any = _numba.intrinsic(_of_where_above)


def _of_address(typing: Any, array: Any) -> Any:
    """Return where an array begins in memory."""
    del typing

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = _data(context, builder, signature, given)
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(array), generate


_address: Any = _numba.intrinsic(_of_address)


@helper
def room(numbers: int) -> npt.NDArray[np.float64]:
    """Return an array of so many numbers, each in a line of the cache: in two it takes twice as long."""
    whole = np.empty((numbers + 1) * LANES)
    skip = -(_address(whole) // 8) % 8
    return whole[skip : skip + numbers * LANES].reshape(numbers, LANES)
