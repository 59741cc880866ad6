"""Compiled code: the names that it reads, and a digest of what it does."""

from __future__ import annotations

import dis
import hashlib
import json
import types
from collections.abc import Callable
from typing import Any


def names_used(code: types.CodeType) -> frozenset[str]:
    """Names of globals and attributes that code uses, inner functions included.

    Examples
    --------
    >>> code = compile("numpy.mean(rows)", "", "eval")
    >>> sorted(names_used(code))
    ['mean', 'numpy', 'rows']
    """
    inside = [names_used(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    return frozenset(code.co_names).union(*inside)


def globals_read(code: types.CodeType) -> set[str]:
    """Names that code looks up among the globals, inner functions included.

    Examples
    --------
    >>> code = compile("numpy.mean(rows)", "", "eval")
    >>> sorted(globals_read(code))  # an attribute is none
    ['numpy', 'rows']
    """
    inside = [globals_read(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    found = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname.startswith("LOAD") and step.opname.endswith(("GLOBAL", "NAME", "GLOBALS"))
    }
    return found.union(*inside)


def code_content(code: types.CodeType, describe: Callable[[Any], Any]) -> str:
    """Digest of byte code, signature and constants (a docstring is one), line numbers apart.

    Parameters
    ----------
    code
        Compiled code.
    describe
        What describes a constant.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Examples
    --------
    >>> texts = "x + 1", "(x  +  1)", "x + 2"
    >>> one, same, other = (code_content(compile(text, "", "eval"), repr) for text in texts)
    >>> one == same, one == other
    (True, False)
    """
    consts = [describe(const) for const in code.co_consts]
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
    counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    total = hashlib.sha256(code.co_code + code.co_exceptiontable)
    total.update(json.dumps([consts, names, counts], sort_keys=True).encode())
    return total.hexdigest()
