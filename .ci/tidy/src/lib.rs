//! kedge-tidy
