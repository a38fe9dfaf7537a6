//! Uniform numbers: random ones, and those that a record's index stands for.

/// A fast, seeded source of random numbers.
pub(crate) type Random = fastrand::Rng;

/// A uniform number strictly between 0 and 1, of the upper 52 bits.
pub(crate) fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
}

/// Scatters `index`, differently for each `seed` (the finalizer of SplitMix64).
pub(crate) fn scatter(index: u64, seed: u64) -> u64 {
    let mut bits = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_left_out() {
        assert!(unit(0) > 0.0 && unit(u64::MAX) < 1.0);
    }

    #[test]
    fn neighbors_share_nothing() {
        let mut differing = 0;
        for index in 0..1000 {
            differing += (scatter(index, 1) ^ scatter(index + 1, 1)).count_ones();
            assert_ne!(scatter(index, 1), scatter(index, 2));
        }
        assert!((31_000..33_000).contains(&differing), "{differing}");
    }
}
