"""Operators of numbers and places of arrays: whom Numba asks first.

For every operator of a kernel Numba asks all who know of one, for text, lists and whole arrays, until somebody
knows these types: a sixth of what compiling takes. Here those who know numbers and arrays, whose word
it is in the end, are asked before.
"""

import operator
from typing import Any

from numba.core.typing import arraydecl, builtins, templates

#: Numba's own types leave out how what follows is used.
_builtins: Any = builtins
_arrays: Any = arraydecl
_templates: Any = templates

_KNOWN = (
    *((one, _builtins.BinOp) for one in (operator.add, operator.sub, operator.mul)),
    *((one, _builtins.BinOp) for one in (operator.iadd, operator.isub, operator.imul)),
    *(
        (one, _builtins.OrderedCmpOp)
        for one in (operator.lt, operator.le, operator.gt, operator.ge)
    ),
    (operator.getitem, _arrays.GetItemBuffer),
    (operator.setitem, _arrays.SetItemBuffer),
)


def ask_first() -> None:
    """Have Numba ask those in `_KNOWN` before all others."""
    for function, known in _KNOWN:
        # Nearer to the processor than what Numba has for every target: asked before it.
        first = type("First", (known,), {"metadata": {"target": "cpu"}})
        _templates.infer_global(function)(first)
