//! kedge-feeds
