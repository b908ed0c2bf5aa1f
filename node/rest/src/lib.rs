//! kedge-rest
