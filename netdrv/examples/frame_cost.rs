//! Receives and sends small frames through virtio-net against the device model, so that callgrind can count what the
//! driver's part costs:
//!
//! ```text
//! cargo build --release -p netdrv --features std --example frame_cost
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='frame_cost::driver' \
//!     target/release/examples/frame_cost ROUNDS BATCH
//! ```
//!
//! Divided by rounds and batch, the instructions are those of a frame: reclaim, poll, refill, submit and doorbell.

use netdrv::nic::{Batch, ClosedPair, Nic, QueuePair, RssConfig, RxQueue, TxQueue};
use netdrv::pktbuf::{Pool, PoolMemory};
use netdrv::testkit::virtio::{NetDevice, Offer};
use netdrv::virtio::transport::MmioTransport;
use netdrv::virtio_net::{Interrupts, VirtioNet};

/// Frames of this size, an ACK's, are echoed.
const FRAME: [u8; 66] = [7; 66];

fn main() {
    let number = |n| std::env::args().nth(n).and_then(|argument| argument.parse().ok());
    let (rounds, frames) = (number(1).unwrap_or(1000), number(2).unwrap_or(32));
    let device = NetDevice::new(Offer::default());
    let transport = MmioTransport::new(device.mmio()).expect("a model's registers");
    let nic = VirtioNet::new(transport, Interrupts::Line).expect("a model that behaves");
    let rss = RssConfig { key: [0; 40], table: [0; 128] };
    let mut started = nic.into_queue_pairs(1, &rss).expect("a model that behaves");
    let mut pair = started.pairs.remove(0).open();
    let pool = Pool::leak(PoolMemory::leak(1024));
    pair.rx.refill(pool);
    let mut batch = Batch::new();
    for _ in 0..rounds {
        for _ in 0..frames {
            assert!(device.deliver(&FRAME), "the ring is full");
        }
        driver(&mut pair, pool, &mut batch);
        assert_eq!(device.transmit().len(), frames);
    }
}

/// One turn of an echo, without the stack.
#[inline(never)]
fn driver<R: RxQueue, T: TxQueue>(pair: &mut QueuePair<R, T>, pool: &'static Pool, batch: &mut Batch) {
    pair.tx.reclaim();
    pair.rx.poll(batch, 64);
    pair.rx.refill(pool);
    pair.tx.submit(batch);
    pair.tx.doorbell();
}
