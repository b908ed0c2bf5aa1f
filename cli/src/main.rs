//! kedgectl
fn main() {}
