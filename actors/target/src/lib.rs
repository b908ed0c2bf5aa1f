//! kedge-target
