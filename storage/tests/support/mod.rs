//! What the fault tests share: seeded numbers, and a disk that forgets and tears.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "test code")]

pub mod sim_disk;

/// SplitMix64: small, seeded, good enough to choose faults.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Bytes that can be checked: they tell their index and generation, and the rest follows from
/// these.
pub fn payload(index: u64, generation: u64, bytes: usize) -> Vec<u8> {
    let mut random = Random::new(index.rotate_left(32) ^ generation);
    let mut out = [index.to_le_bytes(), generation.to_le_bytes()].concat();
    while out.len() < bytes {
        out.extend(random.next().to_le_bytes());
    }
    out.truncate(bytes.max(16));
    out
}

/// The generation of a payload, if the payload is whole and belongs to the index.
pub fn generation_of(index: u64, found: &[u8]) -> Option<u64> {
    let generation = u64::from_le_bytes(found.get(8..16)?.try_into().ok()?);
    (payload(index, generation, found.len()) == found).then_some(generation)
}
