"""python-binary-memcached's operations, by the binary protocol: bmemcached_operations.py HOST PORT."""

import bmemcached
from bmemcached.exceptions import MemcachedException

from expect import BINARY, LARGE, TOO_LARGE, address, expect, finish, raises


def values(client):
    expect("set", client.set("a", "1"), True)
    expect("get", client.get("a"), "1")
    expect("get of nothing", client.get("nothing"), None)
    expect("get with default", client.get("nothing", "d"), "d")
    for name, value in [("bytes", BINARY), ("empty", b""), ("large", LARGE), ("number", 12), ("list", [1, {"a": None}])]:
        expect(f"set {name}", client.set(name, value, compress_level=0), True)
        expect(f"get {name}", client.get(name), value)
    expect("compressed", [client.set("z", b"z" * 100_000), client.get("z")], [True, b"z" * 100_000])
    raises("too large", MemcachedException, lambda: client.set("large", TOO_LARGE, compress_level=0))
    expect("after too large", client.get("large"), None)
    expect("still in step", client.get("a"), "1")


def conditions(client):
    expect("add of something", client.add("a", "2"), False)
    expect("add of nothing", client.add("b", "2"), True)
    expect("replace of something", client.replace("b", "3"), True)
    expect("replace of nothing", client.replace("nothing", "3"), False)
    value, cas = client.gets("b")
    expect("gets", value, "3")
    expect("cas", client.cas("b", "5", cas), True)
    expect("cas of an old value", client.cas("b", "6", cas), False)
    expect("cas of nothing", client.cas("nothing", "6", cas), False)
    expect("set tells cas", client.set("c", "7", get_cas=True)[0], True)
    _, cas = client.gets("c")
    expect("delete of another value", client.delete("c", cas=cas + 1), False)
    expect("delete of that value", client.delete("c", cas=cas), True)


def numbers(client):
    expect("incr makes", client.incr("n", 5, default=10), 10)
    expect("incr", client.incr("n", 5), 15)
    expect("decr", client.decr("n", 20), 0)
    expect("incr to the end", client.incr("n", 2**64 - 1), 2**64 - 1)
    expect("incr beyond it", client.incr("n", 1), 0)


def many(client):
    items = {f"many:{i}": f"value {i}" * (i % 7) for i in range(1000)}
    expect("set_multi", client.set_multi(items), [])
    expect("get_multi", client.get_multi(list(items) + ["nothing"]), items)
    found = client.get_multi(list(items)[:50], get_cas=True)
    expect("get_multi with cas", {key: value for key, (value, _) in found.items()}, dict(list(items.items())[:50]))
    expect("delete_multi", client.delete_multi(list(items)[:500]), True)
    expect("what is left", client.get_multi(list(items)), dict(list(items.items())[500:]))


def lifetimes(client):
    expect("set with expiry", client.set("e", "1", time=100), True)
    expect("get with expiry", client.get("e"), "1")
    expect("delete", client.delete("a"), True)
    expect("delete of nothing", client.delete("a"), True)
    expect("get after delete", client.get("a"), None)
    stats = next(iter(client.stats().values()))
    expect("stats", int(stats["curr_items"]) > 0, True)
    expect("stats settings", next(iter(client.stats("settings").values()))["tcpport"] != "", True)
    expect("flush_all", client.flush_all(), True)
    expect("get after flush_all", client.get("b"), None)


def main():
    host, port = address()
    client = bmemcached.Client((f"{host}:{port}",), socket_timeout=10)
    client.flush_all()
    for part in (values, conditions, numbers, many, lifetimes):
        part(client)
    client.disconnect_all()
    finish("bmemcached")


if __name__ == "__main__":
    main()
