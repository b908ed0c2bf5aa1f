//! kedge-fetch
