//! kedge-benchmarks
