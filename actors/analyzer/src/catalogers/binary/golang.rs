//! Go build info: the toolchain version and the module list that the Go linker puts into every
//! program, and the packages they mean.
//!
//! Source: Go, src/debug/buildinfo/buildinfo.go and src/runtime/debug/mod.go. From Go 1.18 on the
//! two strings follow the 32-byte header inline, each with a varint length; before, the header
//! holds two pointers to Go strings elsewhere in the program.

use super::elf::Elf;
use super::limits::{GO_INFO_BYTES_MAX, GO_MODULES_MAX, NAME_BYTES_MAX};
use crate::catalogers::octets::{FileProblems, Order, u32_at, u64_at};
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind};
use kedge_artifact::purl::{self, PurlParts};

/// First bytes of the build info header, at an offset that is a multiple of 16.
pub(super) const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Alignment of the header.
pub(super) const ALIGN: u64 = 16;
/// Stands in front of the module list, wherever the linker puts it.
pub(super) const LIST_START: &[u8; 16] =
    b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
/// Stands behind the module list.
pub(super) const LIST_END: &[u8; 16] =
    b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

const HEADER_BYTES: usize = 32;
const FLAG_BIG_ENDIAN: u8 = 1;
const FLAG_INLINE: u8 = 2;
/// Version of a module that was built from a working tree or replaced by a folder.
const DEVEL: &str = "(devel)";

/// What the header says about where the strings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Both strings follow the header.
    Inline,
    /// Two addresses of Go strings.
    Pointers { version: u64, list: u64, wide: bool, order: Order },
}

/// The two strings of a build info.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BuildInfo {
    /// For instance `go1.22.3`; empty when it could not be found.
    pub(super) toolchain: String,
    /// The module list, without its marks; empty for programs built without modules.
    pub(super) list: String,
}

/// Reads the header; `None` when these 32 bytes only look like one.
pub(super) fn form(header: &[u8]) -> Option<Form> {
    let header = header.get(..HEADER_BYTES)?;
    let (pointer_bytes, flags) = (header[14], header[15]);
    if flags & FLAG_INLINE != 0 {
        return Some(Form::Inline);
    }
    let order = if flags & FLAG_BIG_ENDIAN != 0 { Order::Big } else { Order::Little };
    match pointer_bytes {
        4 => Some(Form::Pointers {
            version: u64::from(u32_at(header, 16, order)?),
            list: u64::from(u32_at(header, 20, order)?),
            wide: false,
            order,
        }),
        8 => Some(Form::Pointers {
            version: u64_at(header, 16, order)?,
            list: u64_at(header, 24, order)?,
            wide: true,
            order,
        }),
        _ => None,
    }
}

/// How far the inline form is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inline {
    /// More bytes are needed.
    More,
    /// It is no build info, or over its limit.
    Bad(&'static str),
    /// Both strings.
    Done(BuildInfo),
}

/// Reads the two strings behind the header from what has come in so far.
pub(super) fn inline(info: &[u8]) -> Inline {
    let rest = info.get(HEADER_BYTES..).unwrap_or_default();
    let (toolchain, rest) = match inline_string(rest, NAME_BYTES_MAX) {
        Ok(parts) => parts,
        Err(answer) => return answer,
    };
    if !is_toolchain(toolchain) {
        return Inline::Bad("no toolchain version");
    }
    match inline_string(rest, GO_INFO_BYTES_MAX) {
        Ok((list, _)) => Inline::Done(BuildInfo {
            toolchain: String::from_utf8_lossy(toolchain).into_owned(),
            list: unmarked(list),
        }),
        Err(answer) => answer,
    }
}

fn inline_string(bytes: &[u8], bytes_max: usize) -> Result<(&[u8], &[u8]), Inline> {
    let Some((length, taken)) = uvarint(bytes) else {
        return Err(if bytes.len() < 10 { Inline::More } else { Inline::Bad("bad string length") });
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes_max);
    let length = length.ok_or(Inline::Bad("a string is over GO_INFO_BYTES_MAX"))?;
    let body = bytes.get(taken..taken + length).ok_or(Inline::More)?;
    Ok((body, &bytes[taken + length..]))
}

fn is_toolchain(text: &[u8]) -> bool {
    text.starts_with(b"go") || text.starts_with(b"devel")
}

/// Follows the pointers of the older form through the segments of a whole ELF file.
pub(super) fn through_pointers(elf: &Elf, file: &[u8], form: Form) -> Option<BuildInfo> {
    let Form::Pointers { version, list, wide, order } = form else { return None };
    if elf.wide != wide || elf.order != order {
        return None;
    }
    let text = |address: u64| -> Option<&[u8]> {
        let pointer_bytes = if wide { 8 } else { 4 };
        let string = elf.at_address(file, address, pointer_bytes * 2)?;
        let data = elf.word(string, 0)?;
        let length = elf.word(string, pointer_bytes as usize)?;
        (length <= GO_INFO_BYTES_MAX as u64).then(|| elf.at_address(file, data, length))?
    };
    let toolchain = text(version).filter(|text| is_toolchain(text))?;
    let toolchain = String::from_utf8_lossy(toolchain).into_owned();
    // Programs built without modules have no list.
    let list = text(list).map(unmarked).unwrap_or_default();
    Some(BuildInfo { toolchain, list })
}

/// Cuts the 16-byte marks off both ends, as Go does it; a list without them is no list.
pub(super) fn unmarked(raw: &[u8]) -> String {
    let inner = raw.len().checked_sub(32).and_then(|length| raw.get(16..16 + length));
    match inner {
        Some(inner) if inner.last() == Some(&b'\n') => String::from_utf8_lossy(inner).into_owned(),
        _ => String::new(),
    }
}

fn uvarint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (index * 7);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// One module of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Module {
    path: String,
    version: String,
    sum: String,
    main: bool,
}

/// The packages of a build info: the main module, the dependencies as they were replaced, and the
/// standard library of the toolchain.
pub(super) fn packages(info: &BuildInfo, problems: &mut FileProblems) -> Vec<Package> {
    let modules = modules(&info.list, problems);
    let mut packages: Vec<Package> =
        modules.into_iter().map(|module| package(module, &info.toolchain)).collect();
    // `go1.22.3 X:boringcrypto` names experiments after the version; a development toolchain has
    // no version that an advisory could name.
    let release = info.toolchain.split_whitespace().next().and_then(|text| text.strip_prefix("go"));
    if let Some(version) = release.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
        let module = Module {
            path: "stdlib".to_owned(),
            version: version.to_owned(),
            sum: String::new(),
            main: false,
        };
        packages.push(package(module, &info.toolchain));
    }
    packages
}

fn modules(list: &str, problems: &mut FileProblems) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    let mut program_path = "";
    for line in list.lines() {
        let mut fields = line.split('\t');
        let keyword = fields.next().unwrap_or_default();
        let mut field = || fields.next().unwrap_or_default();
        match keyword {
            "path" => program_path = field(),
            "mod" | "dep" => {
                let (path, version, sum) = (field(), field(), field());
                if path.is_empty() || path.len() > NAME_BYTES_MAX || version.len() > NAME_BYTES_MAX
                {
                    problems.degraded("go_module_malformed", "a module line has no usable path");
                } else if modules.len() == GO_MODULES_MAX {
                    problems.degraded("go_too_many_modules", "GO_MODULES_MAX is reached");
                    break;
                } else {
                    let version = if version.is_empty() { DEVEL } else { version };
                    let main = keyword == "mod";
                    modules.push(Module {
                        path: path.to_owned(),
                        version: version.to_owned(),
                        sum: sum.to_owned(),
                        main,
                    });
                }
            }
            "=>" => {
                let (path, version, sum) = (field(), field(), field());
                if let Some(module) = modules.last_mut() {
                    replace(module, path, version, sum);
                }
            }
            // `build` settings say how it was built, not what is in it.
            _ => {}
        }
    }
    // Built without modules (GOPATH): the import path of the program is all that is known.
    let named = program_path != "command-line-arguments" && !program_path.is_empty();
    if !modules.iter().any(|module| module.main) && named && program_path.len() <= NAME_BYTES_MAX {
        let main = Module {
            path: program_path.to_owned(),
            version: DEVEL.to_owned(),
            sum: String::new(),
            main: true,
        };
        modules.insert(0, main);
    }
    modules
}

/// A `replace` directive: what was compiled in is the replacement. A folder has no version and no
/// name that an advisory could know, so the module keeps its name and loses its version.
fn replace(module: &mut Module, path: &str, version: &str, sum: &str) {
    let folder = version.is_empty() || version == DEVEL || path.starts_with(['.', '/']);
    if folder || path.len() > NAME_BYTES_MAX || version.len() > NAME_BYTES_MAX {
        DEVEL.clone_into(&mut module.version);
        module.sum.clear();
        return;
    }
    path.clone_into(&mut module.path);
    version.clone_into(&mut module.version);
    sum.clone_into(&mut module.sum);
}

fn package(module: Module, toolchain: &str) -> Package {
    let Module { path, version, sum, main } = module;
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let purl = purl::build(&PurlParts {
        kind: "golang",
        namespace,
        name,
        // `(devel)` says that there is no version.
        version: if version == DEVEL { "" } else { &version },
        ..PurlParts::default()
    });
    Package {
        id: PackageId(String::new()),
        purl: purl.unwrap_or_default(),
        name: path,
        version,
        kind: PackageKind::Go,
        architecture: None,
        source: None,
        licenses: Vec::new(),
        locations: Vec::new(),
        owned_by: None,
        size: None,
        origin: None,
        details: PackageDetails::Go { main, toolchain: toolchain.to_owned(), sum },
    }
}
