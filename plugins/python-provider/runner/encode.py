"""From a Python value to JSON, within bounds, and never by pickle.

What JSON has no word for: NaN and infinities become null; integers beyond 64 bits, Decimal, UUID and paths become text;
dates become ISO 8601; bytes become {"base64": …}; tuples, sets and arrays become lists; enum members become their values,
dataclasses their fields. Everything else is refused with a reason.
"""

import base64
import json
import math
import sys

DEPTH = 100
_PLAIN = frozenset((bool, type(None)))


class NotJson(Exception):
    """Why a value cannot be had as JSON."""


def encode(value, largest):
    """The value as bytes of JSON, no more than `largest` of them."""
    budget = [largest]
    plain = _convert(value, DEPTH, budget, set())
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > largest:
        raise NotJson(_too_large(largest))
    return encoded


def _too_large(largest):
    return "the result is larger than %d bytes of JSON" % largest


def _spend(budget, count):
    budget[0] -= count
    if budget[0] < 0:
        raise NotJson("the result is larger than what is allowed for JSON")


def _convert(value, depth, budget, above):
    kind = type(value)
    if kind in _PLAIN:
        _spend(budget, 4)
        return value
    if kind is int:
        _spend(budget, 1)
        return value if -(1 << 63) <= value < (1 << 64) else _text(str(value), budget)
    if kind is str:
        return _text(value, budget)
    if kind is float:
        _spend(budget, 3)
        return value if math.isfinite(value) else None
    if depth == 0:
        raise NotJson("the result is nested more than %d deep" % DEPTH)
    if id(value) in above:
        raise NotJson("the result contains itself")
    above.add(id(value))
    try:
        return _compound(value, kind, depth - 1, budget, above)
    finally:
        above.discard(id(value))


def _text(value, budget):
    _spend(budget, len(value) + 2)
    return value


def _compound(value, kind, depth, budget, above):
    if isinstance(value, dict):
        found = {}
        for key, item in dict.items(value):
            found[_key(key, budget)] = _convert(item, depth, budget, above)
        return found
    if isinstance(value, (list, tuple, set, frozenset)):
        _spend(budget, 2)
        return [_convert(item, depth, budget, above) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        _spend(budget, memoryview(value).nbytes * 4 // 3 + 16)
        return {"base64": base64.b64encode(value).decode("ascii")}
    special = _special(value, kind)
    if special is not None:
        return _convert(special[0], depth, budget, above)
    for exact in (bool, int, float, str):
        # Of a subclass, the plain value: its own idea of text or arithmetic is not asked.
        if isinstance(value, exact):
            plain = str.__str__(value) if exact is str else getattr(exact, "__%s__" % exact.__name__)(value)
            return _convert(plain, depth, budget, above)
    raise NotJson("a value of type %s is not JSON: %s" % (_name(kind), _shown(value)))


def _special(value, kind):
    """A one-tuple of what stands for the value, or None. Modules that the code has not imported are not imported here."""
    modules = sys.modules
    if "numpy" in modules:
        numpy = modules["numpy"]
        if isinstance(value, numpy.ndarray):
            return (value.tolist(),) if value.dtype.kind in "biufUSMm" else (list(value),)
        if isinstance(value, numpy.generic):
            return (value.item(),)
    if "enum" in modules and isinstance(value, modules["enum"].Enum):
        return (value.value,)
    for module, names, spell in _SPELLED:
        if module in modules:
            for name in names:
                if isinstance(value, getattr(modules[module], name)):
                    return (spell(value),)
    if "dataclasses" in modules and modules["dataclasses"].is_dataclass(value) and not isinstance(value, type):
        fields = modules["dataclasses"].fields(value)
        return ({field.name: getattr(value, field.name) for field in fields},)
    return None


_SPELLED = (
    ("datetime", ("date", "time"), lambda value: value.isoformat()),
    ("datetime", ("timedelta",), lambda value: value.total_seconds()),
    ("decimal", ("Decimal",), str),
    ("fractions", ("Fraction",), str),
    ("uuid", ("UUID",), str),
    ("pathlib", ("PurePath",), str),
)


def _key(key, budget):
    if type(key) is str:
        return _text(key, budget)
    if isinstance(key, str):
        return _text(str.__str__(key), budget)
    if key is None or type(key) is bool:
        return _text({None: "null", True: "true", False: "false"}[key], budget)
    if type(key) in (int, float):
        return _text(repr(key), budget)
    raise NotJson("a key of type %s is not JSON" % _name(type(key)))


def _name(kind):
    return type.__getattribute__(kind, "__name__")


def _shown(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"
