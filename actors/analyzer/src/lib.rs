//! kedge-analyzer
