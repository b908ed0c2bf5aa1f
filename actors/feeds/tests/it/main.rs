//! Parsers and dataset from the outside, on small documents written for these tests.

mod dataset;
mod hostile;
mod parsers;
mod support;
