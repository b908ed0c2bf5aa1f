//! kedge-testkit
