//! The device's control queue (virtio 1.2, section 5.1.6.5): it obeys, or misbehaves on request.

use super::steering::Rss;
use super::{Chain, Commands, State};
use crate::virtio::Features;

/// Class VIRTIO_NET_CTRL_MQ, and its commands.
const MQ: u8 = 4;
const VQ_PAIRS_SET: u8 = 0;
const RSS_CONFIG: u8 = 1;

/// Answers.
const OK: u8 = 0;
const ERR: u8 = 1;

impl State {
    /// Takes the commands that wait, and answers as the device was told to.
    pub(super) fn serve_commands(&mut self) {
        let queue = self.control_queue();
        while let Some(chain) = self.queue(queue).pop() {
            self.queue(queue).enable_notification();
            let bytes = chain.read();
            assert_eq!(chain.capacity(), 1, "an answer is one byte");
            self.commands += 1;
            let is_rss = bytes.starts_with(&[MQ, RSS_CONFIG]);
            let (id, answer) = match self.offer.commands {
                Commands::Ignored => continue,
                Commands::Refused => (chain.head, ERR),
                Commands::RssRefused if is_rss => (chain.head, ERR),
                Commands::Obeyed | Commands::RssRefused => {
                    self.obey(&bytes);
                    (chain.head, OK)
                }
                Commands::Garbled => (chain.head, 0x5a),
                Commands::Misnamed => (chain.head + 1, OK),
                Commands::Delayed => {
                    self.delayed.push((chain, bytes));
                    continue;
                }
            };
            self.answer(&chain, id, answer);
        }
    }

    /// Answers the commands that were put off.
    pub(super) fn answer_delayed(&mut self) {
        for (chain, bytes) in std::mem::take(&mut self.delayed) {
            self.obey(&bytes);
            self.answer(&chain, chain.head, OK);
        }
    }

    fn answer(&mut self, chain: &Chain, id: u16, answer: u8) {
        let queue = self.control_queue();
        chain.write(&[answer]);
        self.queue(queue).stage_used(id.into(), 1);
        self.flush(queue);
    }

    /// Does what a command says. The driver sends only what the specification and our offer allow.
    fn obey(&mut self, bytes: &[u8]) {
        match bytes {
            [MQ, VQ_PAIRS_SET, low, high] => {
                assert!(self.negotiated(Features::NET_MQ), "the driver has not accepted VIRTIO_NET_F_MQ");
                self.use_pairs(u16::from_le_bytes([*low, *high]));
                self.rss = None;
            }
            [MQ, RSS_CONFIG, config @ ..] => {
                assert!(self.negotiated(Features::NET_RSS), "the driver has not accepted VIRTIO_NET_F_RSS");
                let (rss, pairs) = Rss::parse(config, &self.offer);
                self.use_pairs(pairs);
                self.rss = Some(rss);
            }
            _ => panic!("an unknown command: {bytes:x?}"),
        }
    }

    fn use_pairs(&mut self, pairs: u16) {
        assert!((1..=self.offer.queue_pairs).contains(&pairs), "{pairs} queue pairs");
        for queue in 0..2 * usize::from(pairs) {
            assert!(self.queues[queue].is_some(), "queue {queue} is to be used, but is not enabled");
        }
        self.pairs_in_use = pairs;
    }
}
