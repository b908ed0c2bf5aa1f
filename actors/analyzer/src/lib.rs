//! What is inside an image: layers in, an SBOM out.
//!
//! `image` reads layers (one pass each, nothing unpacked) and squashes what was found over the
//! stack; `catalogers` recognise packages in single files; `sbom` writes and reads documents.
//! Called by the local targets and by the node's analyzer actor.
//!
//! An engine: it opens no file and no connection, keeps no clock, starts no thread and logs
//! nothing. All input is hostile; every limit is in [`limits`].

pub mod catalogers;
pub mod image;
pub mod limits;
pub mod sbom;
