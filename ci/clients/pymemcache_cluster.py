"""Auto discovery, asked for as pymemcache's client for ElastiCache does: pymemcache_cluster.py HOST PORT VERSION:NODE,NODE."""

import sys

from pymemcache.client.base import Client

from expect import address, expect, finish


def servers(client):
    """Version and servers of the cluster that a server tells of."""
    answer = client.raw_command("config get cluster", end_tokens=b"\n\r\nEND\r\n")
    head, version, nodes = answer.split(b"\n", 2)
    expect("head", head, b"CONFIG cluster 0 %d\r" % (len(version) + len(nodes) + 2))
    return version, nodes.split(b" ")


client = Client(address())
version, nodes = sys.argv[3].encode().split(b":")
expect("cluster", servers(client), (version, nodes.split(b",")))
expect("the same as a value", client.get("AmazonElastiCache:cluster"), version + b"\n" + nodes.replace(b",", b" ") + b"\n")
expect("still in step", client.set("a", b"1", noreply=False), True)
finish("pymemcache, auto discovery")
