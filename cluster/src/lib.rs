//! kedge-cluster
