"""pylibmc's (libmemcached's) operations, by text and by frames: pylibmc_operations.py HOST PORT."""

import pylibmc

from expect import BINARY, LARGE, TOO_LARGE, address, expect, finish, raises


def values(client, name):
    expect(f"{name}: set", client.set("a", "1"), True)
    expect(f"{name}: get", client.get("a"), "1")
    expect(f"{name}: get of nothing", client.get("nothing"), None)
    for kind, value in [("bytes", BINARY), ("empty", b""), ("large", LARGE), ("number", 12), ("list", [1, {"a": None}])]:
        expect(f"{name}: set {kind}", client.set(kind, value), True)
        expect(f"{name}: get {kind}", client.get(kind), value)
    expect(f"{name}: compressed", [client.set("z", b"z" * 100_000, min_compress_len=1000), client.get("z")], [True, b"z" * 100_000])
    raises(f"{name}: too large", pylibmc.Error, lambda: client.set("large", TOO_LARGE))
    expect(f"{name}: still in step", client.get("a"), "1")


def conditions(client, name):
    expect(f"{name}: add of something", client.add("a", "2"), False)
    expect(f"{name}: add of nothing", client.add("b", "2"), True)
    expect(f"{name}: replace of something", client.replace("b", "3"), True)
    # What the library makes of NOT_STORED, and of the status of a frame.
    if name == "text":
        expect(f"{name}: replace of nothing", client.replace("nothing", "3"), False)
    else:
        raises(f"{name}: replace of nothing", pylibmc.NotFound, lambda: client.replace("nothing", "3"))
    expect(f"{name}: append", client.append("b", "4"), True)
    expect(f"{name}: prepend", client.prepend("b", "2"), True)
    expect(f"{name}: joined", client.get("b"), "234")
    value, cas = client.gets("b")
    expect(f"{name}: gets", value, "234")
    expect(f"{name}: cas", client.cas("b", "5", cas), True)
    expect(f"{name}: cas of an old value", client.cas("b", "6", cas), False)


def numbers(client, name):
    client.set("n", 10)
    expect(f"{name}: incr", client.incr("n", 5), 15)
    expect(f"{name}: decr", client.decr("n", 20), 0)
    expect(f"{name}: incr by default", client.incr("n"), 1)
    raises(f"{name}: incr of nothing", pylibmc.NotFound, lambda: client.incr("nothing"))


def many(client, name):
    items = {f"many:{i}": f"value {i}" * (i % 7) for i in range(1000)}
    expect(f"{name}: set_multi", client.set_multi(items), [])
    expect(f"{name}: get_multi", client.get_multi(list(items) + ["nothing"]), items)
    expect(f"{name}: get_multi with a prefix", client.get_multi(["1", "2"], key_prefix="many:"), {"1": items["many:1"], "2": items["many:2"]})
    expect(f"{name}: delete_multi", client.delete_multi(list(items)[:500]), True)
    expect(f"{name}: what is left", client.get_multi(list(items)), dict(list(items.items())[500:]))


def lifetimes(client, name):
    expect(f"{name}: set with expiry", client.set("e", "1", time=100), True)
    expect(f"{name}: touch", client.touch("e", 200), True)
    expect(f"{name}: touch of nothing", client.touch("nothing", 200), False)
    expect(f"{name}: delete", client.delete("a"), True)
    expect(f"{name}: delete of nothing", client.delete("a"), False)
    expect(f"{name}: flush_all", client.flush_all(), True)
    expect(f"{name}: get after flush_all", client.get("b"), None)


def main():
    host, port = address()
    for name, binary in (("text", False), ("frames", True)):
        client = pylibmc.Client([f"{host}:{port}"], binary=binary, behaviors={"cas": True, "tcp_nodelay": True})
        client.flush_all()
        for part in (values, conditions, numbers, many, lifetimes):
            part(client, name)
        (_, stats), = client.get_stats()
        expect(f"{name}: stats", int(stats.get("curr_items", stats.get(b"curr_items"))) >= 0, True)
        client.disconnect_all()
    finish("pylibmc")


if __name__ == "__main__":
    main()
