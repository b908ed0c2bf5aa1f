//! kedge
