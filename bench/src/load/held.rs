//! Arrivals that wait for their connection, since it has as many requests under way as it may: by their intended times, in
//! a queue for each connection, all in one block of memory.

/// The end of a queue.
const NONE: u32 = u32::MAX;

/// The queues' memory.
#[derive(Debug)]
pub(super) struct Held {
    nodes: Vec<Node>,
    most: usize,
    free: u32,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    intended: u64,
    next: u32,
}

/// The queue of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    first: u32,
    last: u32,
}

impl Queue {
    /// An empty one.
    pub(super) const EMPTY: Queue = Queue { first: NONE, last: NONE };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

impl Held {
    /// Room for `most` arrivals.
    pub(super) fn new(most: usize) -> Held {
        Held { nodes: Vec::with_capacity(most), most, free: NONE, count: 0 }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Appends an arrival, unless there is no room.
    #[inline]
    pub(super) fn push(&mut self, queue: &mut Queue, intended: u64) -> Result<(), Full> {
        let node = Node { intended, next: NONE };
        let index = match self.free {
            NONE if self.nodes.len() == self.most => return Err(Full),
            NONE => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
            index => {
                self.free = std::mem::replace(&mut self.nodes[index as usize], node).next;
                index
            }
        };
        match queue.last {
            NONE => queue.first = index,
            last => self.nodes[last as usize].next = index,
        }
        queue.last = index;
        self.count += 1;
        Ok(())
    }

    /// Takes the oldest arrival.
    #[inline]
    pub(super) fn pop(&mut self, queue: &mut Queue) -> Option<u64> {
        let index = queue.first;
        if index == NONE {
            return None;
        }
        let node = &mut self.nodes[index as usize];
        let intended = node.intended;
        queue.first = std::mem::replace(&mut node.next, self.free);
        if queue.first == NONE {
            queue.last = NONE;
        }
        self.free = index;
        self.count -= 1;
        Some(intended)
    }
}

/// No room is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_keep_their_order_and_share_their_room() {
        let mut held = Held::new(4);
        let (mut a, mut b) = (Queue::EMPTY, Queue::EMPTY);
        for round in 0..10 {
            assert_eq!([held.push(&mut a, round), held.push(&mut b, 100), held.push(&mut a, round + 1)], [Ok(()); 3]);
            assert_eq!(held.push(&mut b, 101), Ok(()));
            assert_eq!((held.push(&mut a, 0), held.len()), (Err(Full), 4));
            assert_eq!(
                [held.pop(&mut a), held.pop(&mut b), held.pop(&mut a)],
                [Some(round), Some(100), Some(round + 1)]
            );
            assert_eq!([held.pop(&mut a), held.pop(&mut b), held.pop(&mut b)], [None, Some(101), None]);
            assert!(a.is_empty() && b.is_empty() && held.len() == 0);
        }
    }
}
