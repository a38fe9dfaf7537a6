//! Feature bits and the device status.

bitflags::bitflags! {
    /// The feature bits that Memstorm knows (virtio 1.2, sections 5.1.3 and 6). A device's others are never accepted.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// The device completes checksums of frames it is given.
        const NET_CSUM = 1 << 0;
        /// The driver handles frames with partial checksums.
        const NET_GUEST_CSUM = 1 << 1;
        /// The device reports its MTU.
        const NET_MTU = 1 << 3;
        /// The device has an Ethernet address.
        const NET_MAC = 1 << 5;
        /// The device cuts large TCP segments over IPv4 into frames.
        const NET_HOST_TSO4 = 1 << 11;
        /// It does so right with segments that have ECN's CWR flag.
        const NET_HOST_ECN = 1 << 13;
        /// A received frame may span several buffers, and its header says how many.
        const NET_MRG_RXBUF = 1 << 15;
        /// The device reports the state of its link.
        const NET_STATUS = 1 << 16;
        /// The device takes commands, in a queue of their own.
        const NET_CTRL_VQ = 1 << 17;
        /// The device has several queue pairs.
        const NET_MQ = 1 << 22;
        /// Notifications are asked for by ring position.
        const EVENT_IDX = 1 << 29;
        /// The interface of virtio 1.0 and later.
        const VERSION_1 = 1 << 32;
        /// The device steers received frames by a hash and a table that the driver gives it.
        const NET_RSS = 1 << 60;
    }
}

/// Features, and what each needs (virtio 1.2, section 5.1.3.1), in an order in which nothing comes before its needs.
const NEEDS: [(Features, Features); 4] = [
    (Features::NET_HOST_TSO4, Features::NET_CSUM),
    (Features::NET_HOST_ECN, Features::NET_HOST_TSO4),
    (Features::NET_MQ, Features::NET_CTRL_VQ),
    (Features::NET_RSS, Features::NET_CTRL_VQ),
];

impl Features {
    /// Those of them whose needs are met.
    pub(super) fn consistent(self) -> Features {
        let keep = |features: Features, (feature, needs): &(Features, Features)| {
            if features.contains(*needs) { features } else { features - *feature }
        };
        NEEDS.iter().fold(self, keep)
    }
}

bitflags::bitflags! {
    /// The device status (virtio 1.2, section 2.1). 0 is a device that is reset.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Status: u8 {
        /// The guest has seen the device.
        const ACKNOWLEDGE = 1;
        /// The guest has a driver for it.
        const DRIVER = 2;
        /// The driver is set up.
        const DRIVER_OK = 4;
        /// Features are chosen.
        const FEATURES_OK = 8;
        /// The device gave up.
        const DEVICE_NEEDS_RESET = 64;
        /// The driver gave up.
        const FAILED = 128;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_falls_with_what_it_needs() {
        let everything = Features::all();
        assert_eq!(everything.consistent(), everything);
        let without_checksums = everything - Features::NET_CSUM;
        assert_eq!(
            without_checksums.consistent(),
            without_checksums - Features::NET_HOST_TSO4 - Features::NET_HOST_ECN
        );
        let without_commands = everything - Features::NET_CTRL_VQ;
        assert_eq!(without_commands.consistent(), without_commands - Features::NET_MQ - Features::NET_RSS);
    }
}
