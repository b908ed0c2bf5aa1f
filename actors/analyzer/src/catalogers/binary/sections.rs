//! Finding a named section in PE and Mach-O files, whose section tables stand at the start.
//!
//! Source: Microsoft, "PE Format"; Apple, `mach-o/loader.h`.

use crate::catalogers::octets::{Order, u16_at, u32_at, u64_at};
use std::ops::Range;

/// Name that cargo-auditable gives its section on every platform.
const AUDIT_SECTION: &[u8] = b".dep-v0\0";

const MACH_O_SEGMENT_64: u32 = 0x19;
const MACH_O_HEADER_BYTES: usize = 32;
const MACH_O_SEGMENT_BYTES: usize = 72;
const MACH_O_SECTION_BYTES: usize = 80;

/// File offsets of the audit section of a PE file whose first bytes are `head`.
pub(super) fn pe_audit_section(head: &[u8]) -> Option<Range<u64>> {
    let start = u32_at(head, 0x3c, Order::Little)? as usize;
    let header = head.get(start..)?;
    if !header.starts_with(b"PE\0\0") {
        return None;
    }
    let count = usize::from(u16_at(header, 6, Order::Little)?);
    let optional_bytes = usize::from(u16_at(header, 20, Order::Little)?);
    let table = header.get(24 + optional_bytes..)?;
    let section = table.chunks_exact(40).take(count).find(|raw| raw.starts_with(AUDIT_SECTION))?;
    // The raw size is padded to the file alignment; the virtual size is the true one.
    let size = u32_at(section, 8, Order::Little)?.min(u32_at(section, 16, Order::Little)?);
    let offset = u64::from(u32_at(section, 20, Order::Little)?);
    Some(offset..offset + u64::from(size))
}

/// File offsets of the audit section of a 64-bit little-endian Mach-O file.
pub(super) fn mach_o_audit_section(head: &[u8]) -> Option<Range<u64>> {
    let commands = u32_at(head, 16, Order::Little)?;
    let mut at = MACH_O_HEADER_BYTES;
    for _ in 0..commands {
        let kind = u32_at(head, at, Order::Little)?;
        let bytes = u32_at(head, at + 4, Order::Little)? as usize;
        let command = head.get(at..at.checked_add(bytes)?)?;
        if kind == MACH_O_SEGMENT_64
            && let Some(found) = segment_audit_section(command)
        {
            return Some(found);
        }
        if bytes < 8 {
            return None;
        }
        at += bytes;
    }
    None
}

fn segment_audit_section(command: &[u8]) -> Option<Range<u64>> {
    let sections = command.get(MACH_O_SEGMENT_BYTES..)?;
    let mut sections = sections.chunks_exact(MACH_O_SECTION_BYTES);
    let section = sections.find(|raw| raw.starts_with(AUDIT_SECTION))?;
    let size = u64_at(section, 40, Order::Little)?;
    let offset = u64::from(u32_at(section, 48, Order::Little)?);
    Some(offset..offset.checked_add(size)?)
}
