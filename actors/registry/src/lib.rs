//! kedge-registry
