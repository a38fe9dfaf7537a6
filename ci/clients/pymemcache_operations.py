"""pymemcache's operations, by the text protocol: pymemcache_operations.py HOST PORT."""

from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError, MemcacheIllegalInputError, MemcacheServerError

from expect import BINARY, LARGE, TOO_LARGE, address, expect, finish, raises


def values(client):
    expect("set", client.set("a", b"1", noreply=False), True)
    expect("get", client.get("a"), b"1")
    expect("get of nothing", client.get("nothing"), None)
    expect("get with default", client.get("nothing", b"d"), b"d")
    for name, value in [("binary", BINARY), ("empty", b""), ("large", LARGE), ("line ends", b"\r\n" * 1000)]:
        expect(f"set {name}", client.set(name.replace(" ", "-"), value, noreply=False), True)
        expect(f"get {name}", client.get(name.replace(" ", "-")), value)
    expect("flags", client.set("f", b"v", flags=7, noreply=False), True)
    raises("too large", MemcacheServerError, lambda: client.set("large", TOO_LARGE, noreply=False))
    expect("after too large", client.get("large"), None)
    expect("still in step", client.get("a"), b"1")


def conditions(client):
    expect("add of something", client.add("a", b"2", noreply=False), False)
    expect("add of nothing", client.add("b", b"2", noreply=False), True)
    expect("replace of something", client.replace("b", b"3", noreply=False), True)
    expect("replace of nothing", client.replace("nothing", b"3", noreply=False), False)
    expect("append", client.append("b", b"4", noreply=False), True)
    expect("prepend", client.prepend("b", b"2", noreply=False), True)
    expect("joined", client.get("b"), b"234")
    expect("append to nothing", client.append("nothing", b"4", noreply=False), False)
    value, cas = client.gets("b")
    expect("gets", value, b"234")
    expect("cas", client.cas("b", b"5", cas, noreply=False), True)
    expect("cas of an old value", client.cas("b", b"6", cas, noreply=False), False)
    expect("cas of nothing", client.cas("nothing", b"6", cas, noreply=False), None)
    expect("gets of nothing", client.gets("nothing"), (None, None))


def numbers(client):
    client.set("n", b"10", noreply=False)
    expect("incr", client.incr("n", 5), 15)
    expect("decr", client.decr("n", 20), 0)
    expect("incr to the end", client.incr("n", 2**64 - 1), 2**64 - 1)
    expect("incr beyond it", client.incr("n", 1), 0)
    expect("incr of nothing", client.incr("nothing", 1), None)
    raises("incr of text", MemcacheClientError, lambda: client.incr("binary", 1))


def many(client):
    items = {f"many:{i}": f"value {i}".encode() * (i % 7) for i in range(1000)}
    expect("set_many", client.set_many(items, noreply=False), [])
    expect("get_many", client.get_many(list(items) + ["nothing"]), items)
    found = client.gets_many(list(items)[:50])
    expect("gets_many", {key: value for key, (value, _) in found.items()}, dict(list(items.items())[:50]))
    expect("delete_many", client.delete_many(list(items)[:500], noreply=False), True)
    expect("what is left", client.get_many(list(items)), dict(list(items.items())[500:]))


def lifetimes(client):
    expect("set with expiry", client.set("e", b"1", expire=100, noreply=False), True)
    expect("touch", client.touch("e", expire=200, noreply=False), True)
    expect("touch of nothing", client.touch("nothing", noreply=False), False)
    expect("expired at once", client.set("e", b"1", expire=-1, noreply=False), True)
    expect("get of what expired", client.get("e"), None)
    expect("delete", client.delete("a", noreply=False), True)
    expect("delete of nothing", client.delete("a", noreply=False), False)
    expect("flush_all", client.flush_all(noreply=False), True)
    expect("get after flush_all", client.get("b"), None)


def the_rest(client):
    expect("noreply", [client.set("q", b"1"), client.set("q", b"2"), client.get("q")], [True, True, b"2"])
    raises("a long key", MemcacheIllegalInputError, lambda: client.get("k" * 251))
    raises("a key with a blank", MemcacheIllegalInputError, lambda: client.get("k k"))
    expect("a key of 250 bytes", client.set("k" * 250, b"1", noreply=False), True)
    expect("version", client.version().startswith(b"1.6.18"), True)
    stats = client.stats()
    expect("stats", stats[b"curr_items"] > 0 and stats[b"cmd_get"] > 0, True)
    expect("stats settings", client.stats("settings")[b"tcpport"] > 0, True)
    expect("cache_memlimit or its refusal", _refused(lambda: client.cache_memlimit(64)), True)


def _refused(call):
    """memcached adjusts its memory; an appliance may say that it does not."""
    try:
        return call()
    except MemcacheServerError:
        return True
    except Exception as error:  # the library has no word for MEMLIMIT_ADJUST_FAILED
        return "MEMLIMIT" in repr(error)


def pooled(server):
    client = PooledClient(server, max_pool_size=8, timeout=10, connect_timeout=10)
    expect("pooled", [client.set(f"p{i}", b"v", noreply=False) for i in range(50)], [True] * 50)
    expect("pooled get", client.get_many([f"p{i}" for i in range(50)]), {f"p{i}": b"v" for i in range(50)})
    client.close()


def main():
    client = Client(address(), connect_timeout=10, timeout=10)
    client.flush_all(noreply=False)
    for part in (values, conditions, numbers, many, lifetimes, the_rest):
        part(client)
    pooled(address())
    client.quit()
    finish("pymemcache")


if __name__ == "__main__":
    main()
