"""Operators of numbers and places of arrays: whom Numba asks first.

For every operator of a kernel Numba asks all who know of one, for text, lists and whole arrays, until somebody
knows these types: a sixth of what compiling takes. Here those who know numbers and arrays, whose word
it is in the end, are asked before.
"""

import contextlib
import operator
from typing import Any


def known() -> tuple[tuple[Any, Any], ...]:
    """Return operators, and who of Numba knows them; nothing where a later Numba keeps these elsewhere."""
    with contextlib.suppress(ImportError, AttributeError):
        from numba.core.typing import arraydecl, builtins

        # Numba's own types leave out how what follows is used.
        numbers: Any = builtins
        arrays: Any = arraydecl
        return (
            *((one, numbers.BinOp) for one in (operator.add, operator.sub, operator.mul)),
            *((one, numbers.BinOp) for one in (operator.iadd, operator.isub, operator.imul)),
            *(
                (one, numbers.OrderedCmpOp)
                for one in (operator.lt, operator.le, operator.gt, operator.ge)
            ),
            (operator.getitem, arrays.GetItemBuffer),
            (operator.setitem, arrays.SetItemBuffer),
        )
    return ()


def ask_first() -> None:
    """Have Numba ask those who are `known` before all others: compiling takes longer without, and makes the same."""
    with contextlib.suppress(ImportError, AttributeError):
        from numba.core.typing import templates

        asked: Any = templates
        for function, who in known():
            # Nearer to the processor than what Numba has for every target: asked before it.
            first = type("First", (who,), {"metadata": {"target": "cpu"}})
            asked.infer_global(function)(first)
