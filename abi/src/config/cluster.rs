//! The servers of a cluster, for clients that ask one of them for all (auto discovery).

use core::net::IpAddr;

/// Most servers of a cluster.
const MAX_NODES: usize = 16;

/// Bytes of the longest list.
const MAX_LEN: usize = 512;

/// Servers of a cluster, and the number of the list's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterNodes {
    version: u32,
    /// `host|ip|port,...`, and zeros.
    text: [u8; MAX_LEN],
    len: u16,
}

impl ClusterNodes {
    /// The list `version:host|ip|port,...`. `None` if it is too long, or is not one.
    pub fn new(list: &str) -> Option<ClusterNodes> {
        let (version, nodes) = list.split_once(':')?;
        let version = decimal(version).filter(|version| *version > 0)?;
        let mut text = [0; MAX_LEN];
        text.get_mut(..nodes.len())?.copy_from_slice(nodes.as_bytes());
        let are_nodes = nodes.split(',').all(is_node) && nodes.split(',').count() <= MAX_NODES;
        are_nodes.then_some(ClusterNodes { version, text, len: nodes.len() as u16 })
    }

    /// The version, from 1 on: clients take a list with a higher one for news.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Each server, as `host|ip|port`.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        core::str::from_utf8(&self.text[..self.len.into()]).unwrap_or_default().split(',')
    }
}

fn is_node(node: &str) -> bool {
    let mut parts = node.split('|');
    let (Some(host), Some(ip), Some(port), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_port = decimal(port).is_some_and(|port| (1..=65535).contains(&port));
    !host.is_empty() && host.bytes().all(in_name) && ip.parse::<IpAddr>().is_ok() && is_port
}

/// A decimal number: digits only, no sign.
fn decimal(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_nodes() {
        let nodes = ClusterNodes::new("12:a.example|192.0.2.1|11211,b|2001:db8::2|1").unwrap();
        assert_eq!(nodes.version(), 12);
        assert!(nodes.nodes().eq(["a.example|192.0.2.1|11211", "b|2001:db8::2|1"]));
    }

    #[test]
    fn what_is_no_list() {
        let bad = [
            "",
            "1",
            "1:",
            ":a|192.0.2.1|1",
            "0:a|192.0.2.1|1",
            "+1:a|192.0.2.1|1",
            "4294967296:a|192.0.2.1|1",
            "1:a|192.0.2.1",
            "1:a|192.0.2.1|1|x",
            "1:|192.0.2.1|1",
            "1:a||1",
            "1:a|192.0.2|1",
            "1:a|192.0.2.1|0",
            "1:a|192.0.2.1|65536",
            "1:a|192.0.2.1|+1",
            "1:a b|192.0.2.1|1",
            "1:a\r\n|192.0.2.1|1",
            "1:a|192.0.2.1|1,",
            "1:,a|192.0.2.1|1",
        ];
        for list in bad {
            assert_eq!(ClusterNodes::new(list), None, "{list}");
        }
    }

    #[test]
    fn bounds() {
        let of = |more: usize, host: &str| ["1:", &"a|192.0.2.1|1,".repeat(more), host, "|192.0.2.1|1"].concat();
        assert!(ClusterNodes::new(&of(MAX_NODES - 1, "a")).is_some());
        assert!(ClusterNodes::new(&of(MAX_NODES, "a")).is_none());
        let longest = MAX_LEN - "|192.0.2.1|1".len();
        assert!(ClusterNodes::new(&of(0, &"a".repeat(longest))).is_some());
        assert!(ClusterNodes::new(&of(0, &"a".repeat(longest + 1))).is_none());
    }
}
