//! CUBIC (RFC 9438): the window follows a cubic function of the time since the last loss, flat around the window at which
//! it happened.
//!
//! ```text
//! W(t) = C·(t - K)³ + W_max      K = ∛((W_max - W_epoch) / C)      C = 0.4 segments/s³
//! ```
//!
//! In whole numbers: windows in bytes, times in milliseconds.

use crate::time::Instant;

/// C (section 5.1), in tenths of segments per second cubed.
const C_TENTHS: u64 = 4;
/// The multiplicative decrease, beta (section 4.6), in tenths.
const BETA_TENTHS: u32 = 7;
/// The additive increase of the Reno-friendly window, 3(1 - beta)/(1 + beta) (section 4.3), in thousandths.
const ALPHA_THOUSANDTHS: u64 = 529;
/// Cubic milliseconds in a cubic second.
const MS3: u64 = 1_000_000_000;
/// Beyond this the cubic function is steeper than the window may grow anyway, in milliseconds.
const MAX_TIME_MS: u64 = 60_000;

/// The state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cubic {
    /// Where the window was at the last loss, less what fast convergence gives up.
    max: u32,
    /// The window just before the last reduction.
    prior: u32,
    epoch: Option<Epoch>,
    /// Bytes of growth below one, in parts of a window.
    fraction: u64,
}

/// A stage of congestion avoidance, from a loss to the next.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// The time from its start to the plateau.
    k_ms: u32,
    /// The Reno-friendly window.
    friendly: u32,
    /// Growth of that below a byte, in parts of a window.
    friendly_fraction: u64,
}

impl Cubic {
    /// By how much a window grows for `bytes` acknowledged.
    pub(super) fn step(&mut self, window: u32, bytes: u32, mss: u32, round_trip_us: u32, now: Instant) -> u32 {
        if self.epoch.is_none() {
            self.max = self.max.max(window);
            let k_ms = cube_root(u64::from(self.max - window) * MS3 * 10 / (C_TENTHS * u64::from(mss)));
            self.epoch = Some(Epoch { start: now, k_ms, friendly: window, friendly_fraction: 0 });
        }
        let (max, prior) = (self.max, self.prior);
        let Some(epoch) = &mut self.epoch else { return 0 };
        let friendly = epoch.befriend(window, bytes, mss, prior);
        let t_ms = (u64::from(now.us_since(epoch.start)) + u64::from(round_trip_us)) / 1000;
        let target = cubic_window(t_ms.min(MAX_TIME_MS), epoch.k_ms.into(), max, mss);
        if target.max(window) < friendly {
            return friendly - window;
        }
        // Section 4.2: no faster than by half a window each round trip.
        let target = target.clamp(window, window + window / 2);
        self.fraction += u64::from(target - window) * u64::from(bytes);
        let step = self.fraction / u64::from(window);
        self.fraction %= u64::from(window);
        step as u32
    }

    /// The threshold after a loss at `window` (sections 4.6 and 4.7).
    pub(super) fn reduce(&mut self, window: u32) -> u32 {
        self.prior = window;
        // Fast convergence: a loss earlier than the last one means that others need room.
        self.max = if window < self.max { window / 20 * (10 + BETA_TENTHS) } else { window };
        self.epoch = None;
        self.fraction = 0;
        window / 10 * BETA_TENTHS
    }

    /// The time without anything to send is not to count (section 5.8).
    pub(super) fn idle(&mut self) {
        self.epoch = None;
    }
}

impl Epoch {
    /// Moves the Reno-friendly window on and returns it (section 4.3).
    fn befriend(&mut self, window: u32, bytes: u32, mss: u32, prior: u32) -> u32 {
        let alpha = if self.friendly < prior { ALPHA_THOUSANDTHS } else { 1000 };
        self.friendly_fraction += alpha * u64::from(bytes) * u64::from(mss) / 1000;
        self.friendly = self.friendly.saturating_add((self.friendly_fraction / u64::from(window)) as u32);
        self.friendly_fraction %= u64::from(window);
        self.friendly
    }
}

/// W(t), in bytes.
fn cubic_window(t_ms: u64, k_ms: u64, max: u32, mss: u32) -> u32 {
    let distance = t_ms.abs_diff(k_ms).min(MAX_TIME_MS);
    let offset = C_TENTHS * u64::from(mss) * (distance * distance * distance / 10_000) / (MS3 / 1000);
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    if t_ms < k_ms { max.saturating_sub(offset) } else { max.saturating_add(offset) }
}

/// The greatest number whose cube is not above `n`: a digit of the root for three of `n`.
fn cube_root(mut n: u64) -> u32 {
    let mut root = 0_u64;
    let mut shift = 63;
    loop {
        root *= 2;
        let next = 3 * root * (root + 1) + 1;
        if n >> shift >= next {
            n -= next << shift;
            root += 1;
        }
        if shift == 0 {
            return root as u32;
        }
        shift -= 3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MSS: u32 = 1000;
    const RTT_US: u32 = 100_000;

    /// The window each round trip after a loss at `window`.
    fn course(window: u32, rounds: u32) -> Vec<u32> {
        let mut cubic = Cubic::default();
        let mut now = Instant::ZERO;
        let mut window = cubic.reduce(window);
        let mut course = vec![window];
        for _ in 0..rounds {
            for _ in 0..window / MSS {
                window += cubic.step(window, MSS, MSS, RTT_US, now);
            }
            now = now.after_us(RTT_US);
            course.push(window);
        }
        course
    }

    #[test]
    fn rises_to_the_plateau_and_then_beyond_it() {
        // 1000 segments: K = cbrt(300 / 0.4) = 9.1 s
        let course = course(1_000_000, 150);
        assert_eq!(course[0], 700_000);
        let steps: Vec<u32> = course.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((970_000..1_000_000).contains(&course[60]), "{}", course[60]);
        assert!((995_000..1_005_000).contains(&course[91]), "{}", course[91]);
        assert!(steps[5] > 5 * steps[70] && steps[140] > 5 * steps[95], "concave, then convex");
        assert!(course[150] > 1_060_000, "{}", course[150]);
    }

    #[test]
    fn is_never_slower_than_reno_where_that_is_fast() {
        // A short round trip and a small window: 0.529 segments a round trip until the old window is reached.
        let course = course(20_000, 20);
        assert!(course[10] >= 14_000 + 5 * 900, "{course:?}");
    }

    #[test]
    fn a_loss_below_the_last_one_gives_way() {
        let mut cubic = Cubic::default();
        assert_eq!(cubic.reduce(100_000), 70_000);
        assert_eq!(cubic.max, 100_000);
        assert_eq!(cubic.reduce(80_000), 56_000);
        assert_eq!(cubic.max, 68_000);
    }

    proptest! {
        #[test]
        fn cube_roots(n in any::<u64>()) {
            let root = u128::from(cube_root(n));
            prop_assert!(root.pow(3) <= n.into() && (root + 1).pow(3) > n.into());
        }

        /// Whatever the numbers: no overflow, and no leap.
        #[test]
        fn never_leaps(window in 536u32..1 << 26, bytes in 1u32..1 << 20, mss in 88u32..9000, at in 0u64..1 << 45) {
            let mut cubic = Cubic::default();
            cubic.reduce(window);
            cubic.step(window, bytes, mss, RTT_US, Instant::ZERO);
            let step = cubic.step(window, bytes, mss, RTT_US, Instant::from_nanos(at));
            prop_assert!(u64::from(step) <= u64::from(bytes) * (1 + u64::from(mss) / u64::from(window)) + 1, "{step}");
        }
    }
}
