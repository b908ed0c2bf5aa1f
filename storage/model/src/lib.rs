//! kedge-model
