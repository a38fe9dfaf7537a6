"""Sets and gets keys through pymemcache, one by one and many at a time: pymemcache_keys.py HOST PORT KEYS."""

import sys
import time

from pymemcache.client.base import Client


def main() -> None:
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client = Client((host, port), connect_timeout=10, timeout=10)
    values = {f"key:{i}": f"value {i} ".encode() * (i % 50 + 1) for i in range(count)}
    began = time.monotonic()
    for key, value in values.items():
        client.set(key, value, noreply=False)
    wrong = sum(client.get(key) != value for key, value in values.items())
    keys = list(values)
    for first in range(0, count, 100):
        some = keys[first : first + 100]
        found = client.get_many(some)
        wrong += sum(found.get(key) != values[key] for key in some)
    took = time.monotonic() - began
    print(f"pymemcache: {count} keys set, {2 * count} got, {wrong} wrong, {took:.1f} s")
    client.close()
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
