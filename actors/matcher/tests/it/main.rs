//! The matching rules against an in-memory source of advisories.

mod coverage;
mod dedupe;
mod distros;
mod fixture;
mod languages;
mod ownership;
mod robust;
mod rpm;
