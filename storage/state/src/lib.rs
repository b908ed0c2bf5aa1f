//! kedge-state
