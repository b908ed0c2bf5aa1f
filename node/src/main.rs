//! kedge
fn main() {}
