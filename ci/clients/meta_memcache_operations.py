"""meta-memcache's operations, by meta commands: meta_memcache_operations.py HOST PORT."""

from meta_memcache import CacheClient, Key, LeasePolicy, RecachePolicy, SetMode, StalePolicy
from meta_memcache.configuration import ServerAddress, connection_pool_factory_builder

from expect import BINARY, LARGE, address, expect, finish

TTL = 1000


def values(client):
    expect("set", client.set("a", "1", ttl=TTL), True)
    expect("get", client.get("a"), "1")
    expect("get of nothing", client.get("nothing"), None)
    for name, value in [("bytes", BINARY), ("empty", b""), ("large", LARGE), ("number", 12), ("list", [1, {"a": None}])]:
        expect(f"set {name}", client.set(name, value, ttl=TTL), True)
        expect(f"get {name}", client.get(name), value)
    for key in (Key("unicode ключ"), Key("long " * 60), Key("of a domain", domain="example")):
        expect(f"set {key.key[:20]}", client.set(key, "v", ttl=TTL), True)
        expect(f"get {key.key[:20]}", client.get(key), "v")
    expect("get and touch", client.get("a", touch_ttl=TTL), "1")
    expect("touch", client.touch("a", ttl=TTL), True)
    expect("touch of nothing", client.touch("nothing", ttl=TTL), False)
    expect("get_typed", client.get_typed("number", int), 12)


def conditions(client):
    expect("add of something", client.set("a", "2", ttl=TTL, set_mode=SetMode.ADD), False)
    expect("add of nothing", client.set("b", "2", ttl=TTL, set_mode=SetMode.ADD), True)
    expect("replace", client.set("b", "3", ttl=TTL, set_mode=SetMode.REPLACE), True)
    expect("replace of nothing", client.set("nothing", "3", ttl=TTL, set_mode=SetMode.REPLACE), False)
    expect("append", client.set("b", "4", ttl=TTL, set_mode=SetMode.APPEND), True)
    expect("prepend", client.set("b", "2", ttl=TTL, set_mode=SetMode.PREPEND), True)
    value, cas = client.get_cas("b")
    expect("joined", value, "234")
    expect("set by cas", client.set("b", "5", ttl=TTL, cas_token=cas), True)
    expect("set by an old cas", client.set("b", "6", ttl=TTL, cas_token=cas), False)
    written = client.set_cas("b", "7", ttl=TTL)
    expect("set_cas tells", client.get_cas("b"), ("7", written))
    expect("delete by an old cas", client.delete("b", cas_token=cas), False)
    expect("delete", client.delete("b"), True)
    expect("delete of nothing", client.delete("b"), False)
    expect("invalidate of nothing", client.invalidate("b"), True)
    expect("refill", client.refill("b", "8", ttl=TTL), True)
    expect("refill of something", client.refill("b", "9", ttl=TTL), False)


def staleness(client):
    """A writer marks the item stale; of the readers one wins and renews it."""
    policy = StalePolicy(mark_stale_on_deletion_ttl=30, mark_stale_on_cas_mismatch=True)
    client.set("s", "old", ttl=TTL)
    expect("invalidate", client.invalidate("s", stale_policy=policy), True)
    recache = RecachePolicy(ttl=30)
    expect("the winner is to renew it", client.get("s", recache_policy=recache), None)
    expect("others have the old value", client.get("s", recache_policy=recache), "old")
    client.set("s", "new", ttl=TTL)
    expect("renewed", client.get("s", recache_policy=recache), "new")
    lease = LeasePolicy(ttl=30, miss_retries=2, miss_retry_wait=0.01, wait_backoff_factor=1.0)
    expect("the lease", client.get_or_lease("leased", lease_policy=lease), None)
    expect("filled", client.set("leased", "v", ttl=TTL), True)
    expect("had", client.get_or_lease("leased", lease_policy=lease), "v")


def numbers(client):
    expect("made", client.delta_initialize_and_get("n", delta=5, initial_value=10, initial_ttl=TTL), 10)
    expect("up", client.delta_and_get("n", delta=5), 15)
    expect("down", client.delta_and_get("n", delta=-20), 0)
    expect("without its value", client.delta("n", delta=7), True)
    expect("of nothing", client.delta("nothing", delta=1), False)
    expect("read, with the blank that keeps its length", client.get("n"), "7 ")


def many(client):
    items = {f"many:{i}": f"value {i}" * (i % 7 + 1) for i in range(1000)}
    expect("all set", all(client.set(key, value, ttl=TTL) for key, value in items.items()), True)
    found = client.multi_get([Key(key) for key in items] + [Key("nothing")])
    wanted = {Key(key): value for key, value in items.items()} | {Key("nothing"): None}
    expect("multi_get", {key.key: value for key, value in found.items()}, {key.key: value for key, value in wanted.items()})
    expect("no reply", [client.set("q", "1", ttl=TTL, no_reply=True), client.set("q", "2", ttl=TTL), client.get("q")][1:], [True, "2"])


def main():
    host, port = address()
    pool = connection_pool_factory_builder(connection_timeout=10, recv_timeout=10)
    client = CacheClient.cache_client_from_servers([ServerAddress(host, port)], pool)
    # There is no flush_all among the meta commands.
    for key in ("b", "n", "s", "leased"):
        client.invalidate(key)
    for part in (values, conditions, staleness, numbers, many):
        part(client)
    finish("meta-memcache")


if __name__ == "__main__":
    main()
