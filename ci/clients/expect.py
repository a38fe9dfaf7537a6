"""What the scripts of this folder share: expectations that are counted, and values worth sending."""

import sys

# Every byte, line ends and what looks like replies among them.
BINARY = bytes(range(256)) + b"\r\nEND\r\nVALUE a 0 1\r\n" + bytes(reversed(range(256)))
# Largest value that a key of up to 64 bytes leaves room for in an item of 1 MiB, by memcached's count.
LARGE = bytes(i * 31 % 251 for i in range(4096)) * 255
TOO_LARGE = b"x" * (1 << 20)

_met = 0
_unmet = []


def expect(what, got, wanted):
    """Counts whether `got` is what was wanted."""
    global _met
    if got == wanted:
        _met += 1
    else:
        _unmet.append(f"{what}: got {_short(got)}, wanted {_short(wanted)}")


def raises(what, kind, call):
    """Counts whether `call` raises an exception of this kind."""
    global _met
    try:
        got = call()
    except kind:
        _met += 1
    else:
        _unmet.append(f"{what}: got {_short(got)}, wanted {kind}")


def address():
    """Host and port from the command line."""
    return sys.argv[1], int(sys.argv[2])


def finish(library):
    """Prints the outcome and ends the script with it."""
    for line in _unmet:
        print(f"{library}: {line}")
    print(f"{library}: {_met} expectations met, {len(_unmet)} not")
    sys.exit(1 if _unmet or not _met else 0)


def _short(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
