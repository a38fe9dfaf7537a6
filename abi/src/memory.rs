//! How an appliance divides its machine's memory: what it takes for packets, connections and tables, so that the host can
//! choose a machine that has the item memory asked for.

use crate::config::Config;

/// Bytes of a packet buffer.
pub const PACKET_BUFFER_BYTES: u64 = 2048;
/// What item memory is a multiple of, and lies at multiples of, in bytes: the store's segments.
pub const STORE_ALIGN: u64 = 1 << 20;
/// The part of memory that the heap gets before connections are counted, in bytes.
const HEAP_BASE_BYTES: u64 = 512 << 10;
/// Heap per connection, in bytes: the control block, its part of the tables, and the application's state.
const HEAP_BYTES_PER_CONNECTION: u64 = 1024;
/// Heap per core, in bytes: shard, stack, timer wheel, statistics, and the events that watchers are told of.
const HEAP_BYTES_PER_CORE: u64 = 176 << 10;
/// Heap per core and other core, in bytes: the rings from one to the other.
const HEAP_BYTES_PER_LINK: u64 = 32 << 10;
/// Heap per packet buffer, in bytes, in the tables of all that may hold one.
const HEAP_BYTES_PER_BUFFER: u64 = 128;
/// The part of memory that packet buffers get while there are few connections, and where there are many.
const BUFFER_SHARE: u64 = 16;
const MOST_BUFFER_SHARE: u64 = 8;
/// Packet buffers of all cores at most, while there are few connections: 32 MiB.
const MOST_BUFFERS: u64 = 16 << 10;
/// Packet buffers of a core at least: what the rings of a queue pair hold, and as many again for the stack.
const LEAST_BUFFERS: u64 = 1024;
/// The part of memory that the heap gets for the tables of the store, and for each core's row in them.
const HEAP_STORE_SHARE: u64 = 8 << 10;
const HEAP_STORE_SHARE_PER_CORE: u64 = 128 << 10;
/// What the tables take of it where there is little memory, which has as many segments.
const HEAP_STORE_BYTES: u64 = 32 << 10;
/// Memory per connection and core below which fewer connections are allowed than configured, in bytes.
const MEMORY_PER_CONNECTION: u64 = 16 << 10;
/// What the division does not count, in bytes: firmware's part, the image, and what alignment costs.
const RESERVED_BYTES: u64 = 6 << 20;
/// Beside that, for each core: its stack and the monitor's block.
const RESERVED_BYTES_PER_CORE: u64 = 128 << 10;
/// A machine with more memory than the first has it in two pieces, of which the lower one ends at the second, in bytes: QEMU's
/// machines leave the rest below 4 GiB to devices. The appliance takes one piece.
const SPLIT_FROM: u64 = 3584 << 20;
const LOWER_PIECE: u64 = 3072 << 20;

/// Who gets how much of a machine's memory. Item memory is what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Connections at a time: as configured, unless memory is short.
    pub conn_limit: u32,
    /// Packet buffers of each core.
    pub packet_buffers_per_core: u64,
    /// Bytes of the heap.
    pub heap_bytes: u64,
}

impl Division {
    /// The division of `total` bytes among `cores` that serve.
    pub fn of(total: u64, config: &Config, cores: u64) -> Division {
        let allowed = total / MEMORY_PER_CONNECTION / cores;
        let conn_limit = u64::from(config.conn_limit).min(allowed);
        // Where there are many connections, each may have one answer that is not acknowledged yet, and that leaves some
        // for input.
        let share_of = |share: u64| total / share / PACKET_BUFFER_BYTES;
        let wanted = share_of(BUFFER_SHARE).min(MOST_BUFFERS).max(conn_limit + conn_limit / 4);
        let packet_buffers = share_of(MOST_BUFFER_SHARE).min(wanted);
        // Any core may come to have all connections.
        let connections = cores * conn_limit * HEAP_BYTES_PER_CONNECTION;
        let between = cores * HEAP_BYTES_PER_CORE + cores * (cores - 1) * HEAP_BYTES_PER_LINK;
        let buffers = packet_buffers * HEAP_BYTES_PER_BUFFER;
        let store = HEAP_STORE_BYTES + total / HEAP_STORE_SHARE + cores * total / HEAP_STORE_SHARE_PER_CORE;
        Division {
            conn_limit: conn_limit as u32,
            packet_buffers_per_core: (packet_buffers / cores).max(LEAST_BUFFERS),
            heap_bytes: HEAP_BASE_BYTES + between + connections + buffers + store,
        }
    }

    fn bytes(&self, cores: u64) -> u64 {
        self.heap_bytes + cores * self.packet_buffers_per_core * PACKET_BUFFER_BYTES
    }
}

/// Bytes of a machine whose appliance has `item_bytes` of item memory and all connections that are configured.
pub fn machine_bytes(item_bytes: u64, config: &Config, cores: u64) -> u64 {
    let least = u64::from(config.conn_limit) * MEMORY_PER_CONNECTION * cores;
    let beside = RESERVED_BYTES + RESERVED_BYTES_PER_CORE * cores + item_bytes.next_multiple_of(STORE_ALIGN);
    let mut total = beside.max(least);
    // What is divided grows with the total by less than a seventh of it, so this comes to rest.
    loop {
        let needed = (beside + Division::of(total, config, cores).bytes(cores)).max(least);
        if needed <= total {
            break;
        }
        total = needed;
    }
    if total < SPLIT_FROM { total } else { total + LOWER_PIECE }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_machine_has_the_item_memory_and_the_connections_asked_for() {
        for items in [1, 64, 1024, 2048] {
            for conn_limit in [1, 1024, 20_000] {
                for cores in [1, 2, 16] {
                    let config = Config { conn_limit, ..Config::default() };
                    let total = machine_bytes(items * MIB, &config, cores);
                    let division = Division::of(total, &config, cores);
                    assert_eq!(division.conn_limit, conn_limit);
                    let left = total - division.bytes(cores);
                    assert!(left >= items * MIB + RESERVED_BYTES, "{items} MiB, {conn_limit}, {cores}: {left}");
                }
            }
        }
    }

    #[test]
    fn little_memory_allows_fewer_connections() {
        let config = Config { conn_limit: 4096, ..Config::default() };
        assert_eq!(Division::of(16 * MIB, &config, 1).conn_limit, 1024);
        assert_eq!(Division::of(16 * MIB, &config, 2).conn_limit, 512);
        assert_eq!(Division::of(16 * MIB, &config, 1).packet_buffers_per_core, LEAST_BUFFERS);
    }

    #[test]
    fn a_large_machine_has_one_piece_that_is_large_enough() {
        let config = Config::default();
        let total = machine_bytes(4096 * MIB, &config, 1);
        assert!(total - LOWER_PIECE > 4096 * MIB + RESERVED_BYTES);
        assert!(machine_bytes(3000 * MIB, &config, 1) < SPLIT_FROM);
    }
}
