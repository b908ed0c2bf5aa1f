//! kedge-app
