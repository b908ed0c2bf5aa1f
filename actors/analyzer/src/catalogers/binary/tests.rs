//! Programs are laid out here byte by byte: an ELF writer with sections and one segment, and Go
//! build info in its inline and its pointer form.

use super::golang::{LIST_END, LIST_START, MAGIC};
use super::*;
use flate2::{Compression, write::ZlibEncoder};
use kedge_artifact::package::{PackageDetails, PackageKind};
use std::io::Write as _;

const ADDRESS: u64 = 0x40_0000;

/// An ELF file: header, one program header, the bodies in order (each aligned to 16), then the
/// section headers with one section per body. Every byte of the file is at `ADDRESS` + offset.
struct Program {
    wide: bool,
    big: bool,
    bytes: Vec<u8>,
    sections: Vec<(u64, u64)>,
}

impl Program {
    fn new(wide: bool, big: bool) -> Self {
        let mut program = Self { wide, big, bytes: Vec::new(), sections: Vec::new() };
        program.bytes.resize(if wide { 64 + 56 } else { 52 + 32 }, 0);
        program
    }

    fn number(&self, value: u64, width: usize) -> Vec<u8> {
        match self.big {
            true => value.to_be_bytes()[8 - width..].to_vec(),
            false => value.to_le_bytes()[..width].to_vec(),
        }
    }

    fn word(&self, value: u64) -> Vec<u8> {
        self.number(value, if self.wide { 8 } else { 4 })
    }

    /// Adds a section; answers its file offset.
    fn section(&mut self, body: &[u8]) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(body);
        self.sections.push((offset, body.len() as u64));
        offset
    }

    fn put(&mut self, at: usize, value: u64, width: usize) {
        let raw = self.number(value, width);
        self.bytes[at..at + width].copy_from_slice(&raw);
    }

    fn finish(mut self) -> Vec<u8> {
        let table = self.bytes.len() as u64;
        let (entry, at) = if self.wide { (64, (24, 32)) } else { (40, (16, 20)) };
        let width = if self.wide { 8 } else { 4 };
        for (offset, length) in self.sections.clone() {
            let start = self.bytes.len();
            self.bytes.resize(start + entry, 0);
            self.put(start + 4, 1, 4);
            self.put(start + at.0, offset, width);
            self.put(start + at.1, length, width);
        }
        self.bytes[..4].copy_from_slice(b"\x7fELF");
        self.bytes[4] = if self.wide { 2 } else { 1 };
        self.bytes[5] = if self.big { 2 } else { 1 };
        let (program_at, section_at, counts_at) =
            if self.wide { (32, 40, 54) } else { (28, 32, 42) };
        let header = if self.wide { 64 } else { 52 };
        self.put(program_at, header, width);
        self.put(section_at, table, width);
        let program_entry = if self.wide { 56 } else { 32 };
        let halves = [program_entry, 1, entry as u64, self.sections.len() as u64];
        for (index, half) in halves.into_iter().enumerate() {
            self.put(counts_at + index * 2, half, 2);
        }
        let (offset_at, address_at, size_at) = if self.wide { (8, 16, 32) } else { (4, 8, 16) };
        let segment = header as usize;
        self.put(segment, 1, 4);
        self.put(segment + offset_at, 0, width);
        self.put(segment + address_at, ADDRESS, width);
        let size = self.bytes.len() as u64;
        self.put(segment + size_at, size, width);
        self.bytes
    }
}

const LIST: &str = "path\texample.org/acme/tool/cmd/x\n\
    mod\texample.org/acme/tool\t(devel)\t\n\
    dep\texample.org/one\tv1.2.3\th1:aaa=\n\
    dep\texample.org/Two/v2\tv2.0.0+incompatible\th1:bbb=\n\
    =>\texample.org/fork/two\tv2.0.1\th1:ccc=\n\
    dep\texample.org/local\tv0.1.0\n\
    =>\t./local\t(devel)\t\n\
    build\t-compiler=gc\n\
    build\tvcs.revision=0123456789\n";

fn marked(list: &str) -> Vec<u8> {
    [LIST_START.as_slice(), list.as_bytes(), LIST_END].concat()
}

fn uvarint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Inline build info as Go 1.18 and later write it.
fn go_info(toolchain: &str, list: &[u8]) -> Vec<u8> {
    let mut info = MAGIC.to_vec();
    info.extend([8, 2]);
    info.resize(32, 0);
    info.extend(uvarint(toolchain.len()));
    info.extend(toolchain.as_bytes());
    info.extend(uvarint(list.len()));
    info.extend(list);
    info
}

fn zlib(json: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(json).unwrap();
    encoder.finish().unwrap()
}

const AUDIT: &str = r#"{"packages":[
    {"name":"acme","version":"0.1.0","source":"local","dependencies":[1],"root":true},
    {"name":"serde","version":"1.0.200","source":"crates.io","kind":"runtime"},
    {"name":"cc","version":"1.0.9","source":"crates.io","kind":"build"}],"format":0}"#;

fn audit() -> String {
    AUDIT.replace(['\n', ' '], "")
}

fn scan(bytes: &[u8], chunk: usize) -> Found {
    let mut scanner = BinaryScanner::new("usr/bin/x", bytes.len() as u64);
    bytes.chunks(chunk).for_each(|part| scanner.feed(part));
    scanner.finish()
}

fn listed(found: &Found) -> Vec<String> {
    found.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
}

/// Bytes that look like machine code and hold no mark by accident.
fn filler(length: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9abc_def1u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(length)
    .collect()
}

const GO_LISTED: [&str; 5] = [
    "example.org/acme/tool (devel)",
    "example.org/one v1.2.3",
    "example.org/fork/two v2.0.1",
    "example.org/local (devel)",
    "stdlib 1.22.3",
];

fn go_program() -> Vec<u8> {
    let mut program = Program::new(true, false);
    program.section(&filler(70_000));
    program.section(&go_info("go1.22.3", &marked(LIST)));
    program.section(&filler(3000));
    program.finish()
}

#[test]
fn go_build_info_is_found_whatever_the_chunks() {
    let bytes = go_program();
    for chunk in [1, 7, 511, 512, 513, 1024, 4096, 65_536, bytes.len()] {
        let found = scan(&bytes, chunk);
        assert_eq!(found.problems, [], "chunks of {chunk}");
        assert_eq!(listed(&found), GO_LISTED, "chunks of {chunk}");
    }
}

#[test]
fn go_packages_carry_purl_sum_and_toolchain() {
    let found = scan(&go_program(), 4096);
    let purls: Vec<&str> = found.packages.iter().map(|package| package.purl.as_str()).collect();
    assert_eq!(
        purls,
        [
            "pkg:golang/example.org/acme/tool",
            "pkg:golang/example.org/one@v1.2.3",
            "pkg:golang/example.org/fork/two@v2.0.1",
            "pkg:golang/example.org/local",
            "pkg:golang/stdlib@1.22.3",
        ]
    );
    let details = |index: usize| found.packages[index].details.clone();
    let go = |main, sum: &str| PackageDetails::Go {
        main,
        toolchain: "go1.22.3".to_owned(),
        sum: sum.to_owned(),
    };
    assert_eq!(details(0), go(true, ""));
    assert_eq!(details(1), go(false, "h1:aaa="));
    assert_eq!(details(2), go(false, "h1:ccc="));
    assert!(found.packages.iter().all(|package| package.kind == PackageKind::Go));
}

#[test]
fn go_programs_without_modules_have_their_path_only() {
    let program = |list: &[u8], toolchain: &str| {
        let mut program = Program::new(true, false);
        program.section(&go_info(toolchain, list));
        listed(&scan(&program.finish(), 4096))
    };
    let list = marked("path\texample.org/acme/cmd\nbuild\t-compiler=gc\n");
    assert_eq!(program(&list, "go1.19.8"), ["example.org/acme/cmd (devel)", "stdlib 1.19.8"]);
    let list = marked("path\tcommand-line-arguments\n");
    assert_eq!(program(&list, "go1.21.0 X:boringcrypto"), ["stdlib 1.21.0"]);
    // A development toolchain is no version of the standard library.
    assert_eq!(program(b"", "devel go1.23-abcdef Mon"), Vec::<String>::new());
}

/// A program with the pointer form: `wide` and `big` choose the layout, `note` the build id note.
fn old_go_program(wide: bool, big: bool, note: bool, filler_bytes: usize) -> Vec<u8> {
    let mut program = Program::new(wide, big);
    if note {
        let words: Vec<u8> =
            [4, 8, 4].into_iter().flat_map(|value| program.number(value, 4)).collect();
        program.section(&[words.as_slice(), b"Go\0\0", b"buildid!"].concat());
    }
    program.section(&filler(20_000));
    let toolchain = program.section(b"go1.16.7");
    let list = marked(LIST);
    let list_at = program.section(&list);
    program.section(&filler(filler_bytes));
    let text = |program: &mut Program, at: u64, length: u64| {
        let header = [program.word(ADDRESS + at), program.word(length)].concat();
        ADDRESS + program.section(&header)
    };
    let version = text(&mut program, toolchain, 8);
    let list = text(&mut program, list_at, list.len() as u64);
    let mut info = MAGIC.to_vec();
    info.extend([if wide { 8 } else { 4 }, u8::from(big)]);
    info.extend([program.word(version), program.word(list)].concat());
    info.resize(32, 0);
    program.section(&info);
    program.finish()
}

#[test]
fn older_go_programs_are_read_through_their_pointers() {
    for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
        let bytes = old_go_program(wide, big, true, 100);
        for chunk in [13, 4096, bytes.len()] {
            let found = scan(&bytes, chunk);
            assert_eq!(found.problems, [], "wide {wide} big {big}");
            let mut expected = GO_LISTED.map(str::to_owned);
            expected[4] = "stdlib 1.16.7".to_owned();
            assert_eq!(listed(&found), expected, "wide {wide} big {big}");
        }
    }
}

#[test]
fn older_go_programs_that_are_not_kept_lose_only_their_toolchain() {
    let bytes = old_go_program(true, false, false, 9000);
    let found = scan(&bytes, 4096);
    assert_eq!(listed(&found), GO_LISTED[..4]);
    assert_eq!(found.problems.len(), 1);
    assert_eq!(found.problems[0].code, "go_toolchain_unknown");
    assert_eq!(found.problems[0].place, "/usr/bin/x");
}

#[test]
fn marks_that_are_no_build_info_are_passed_over() {
    let mut program = Program::new(true, false);
    // The mark as a constant of a tool that reads build info, then one at a wrong offset.
    program.section(&[MAGIC, &[8, 2], &[0xff; 200]].concat());
    program.section(&[&[0u8][..], &go_info("go1.1", &marked("path\twrong\n"))].concat());
    program.section(&go_info("go1.22.3", &marked(LIST)));
    assert_eq!(listed(&scan(&program.finish(), 4096)), GO_LISTED);
}

#[test]
fn cut_and_oversized_build_info_is_told() {
    let mut program = Program::new(true, false);
    program.section(&filler(600));
    program.section(&go_info("go1.22.3", &marked(LIST)));
    let whole = program.bytes;
    let mut cut = whole.clone();
    cut[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let found = scan(&cut[..cut.len() - 20], 4096);
    assert_eq!(found.problems[0].message, "go build info: it is cut");
    let mut program = Program::new(true, false);
    let mut info = go_info("go1.22.3", b"");
    info.pop();
    info.extend([0xff, 0xff, 0xff, 0x7f]);
    info.resize(700, 1);
    program.section(&info);
    let found = scan(&program.finish(), 4096);
    assert!(found.problems[0].message.contains("GO_INFO_BYTES_MAX"), "{:?}", found.problems);
}

fn rust_program(wide: bool, big: bool, section: &[u8]) -> Vec<u8> {
    let mut program = Program::new(wide, big);
    program.section(&filler(40_001));
    program.section(section);
    program.section(&filler(5003));
    program.finish()
}

#[test]
fn rust_dependency_lists_are_found_whatever_the_chunks() {
    for (wide, big) in [(true, false), (false, true)] {
        for level in [1, 6, 9] {
            let bytes = rust_program(wide, big, &zlib(audit().as_bytes(), level));
            for chunk in [1, 100, 512, 4096, bytes.len()] {
                let found = scan(&bytes, chunk);
                assert_eq!(found.problems, [], "level {level}, chunks of {chunk}");
                assert_eq!(listed(&found), ["acme 0.1.0", "serde 1.0.200"]);
                let purls: Vec<_> = found.packages.iter().map(|p| p.purl.as_str()).collect();
                let foreign = "pkg:cargo/acme@0.1.0?repository_url=local";
                assert_eq!(purls, [foreign, "pkg:cargo/serde@1.0.200"]);
            }
        }
    }
}

#[test]
fn large_dependency_lists_go_over_many_chunks() {
    let crates: Vec<String> = (0..3000)
        .map(|number| {
            format!(r#"{{"name":"crate-{number}","version":"{}.0.{number}"}}"#, number * 7)
        })
        .collect();
    let json = format!(r#"{{"packages":[{}]}}"#, crates.join(","));
    let bytes = rust_program(true, false, &zlib(json.as_bytes(), 9));
    for chunk in [1000, 4096, bytes.len()] {
        let found = scan(&bytes, chunk);
        assert_eq!((found.packages.len(), found.problems.len()), (3000, 0));
    }
}

#[test]
fn a_dependency_list_that_is_no_section_is_not_believed() {
    let mut program = Program::new(true, false);
    let other = r#"{"packages":[{"name":"decoy","version":"6.6.6"}]}"#;
    let inside = [&[0u8; 40], zlib(other.as_bytes(), 9).as_slice(), &[0; 40]].concat();
    program.section(&inside);
    let found = scan(&program.finish(), 4096);
    assert_eq!(found.packages, []);
    assert_eq!(found.problems[0].code, "rust_audit_unconfirmed");
    // Beside a real one it is not even worth a word.
    let mut program = Program::new(true, false);
    program.section(&inside);
    program.section(&zlib(audit().as_bytes(), 9));
    let found = scan(&program.finish(), 4096);
    assert_eq!((listed(&found).len(), found.problems.len()), (2, 0));
}

#[test]
fn without_section_headers_the_shape_has_to_do() {
    let mut bytes = rust_program(true, false, &zlib(audit().as_bytes(), 9));
    bytes[40..48].fill(0);
    assert_eq!(listed(&scan(&bytes, 4096)), ["acme 0.1.0", "serde 1.0.200"]);
}

#[test]
fn inflation_is_bounded() {
    let bomb = [b"{\"packages\":[".as_slice(), &vec![b' '; 20 << 20]].concat();
    let bytes = rust_program(true, false, &zlib(&bomb, 9));
    let found = scan(&bytes, 4096);
    assert_eq!(found.packages, []);
    assert!(found.problems[0].message.contains("AUDIT_JSON_BYTES_MAX"), "{:?}", found.problems);
    // Many of them are not inflated one after another without end.
    let mut program = Program::new(true, false);
    for _ in 0..100 {
        program.section(&zlib(audit().as_bytes(), 9));
    }
    assert_eq!(listed(&scan(&program.finish(), 4096)).len(), 2);
}

#[test]
fn malformed_lists_are_told() {
    let bytes = rust_program(true, false, &zlib(b"{\"packages\":[{\"name\":1}]}", 9));
    assert_eq!(scan(&bytes, 4096).problems[0].code, "rust_audit_malformed");
    let mut damaged = zlib(audit().as_bytes(), 9);
    let end = damaged.len() - 1;
    damaged[end] ^= 1;
    let found = scan(&rust_program(true, false, &damaged), 4096);
    assert_eq!((found.packages.len(), found.problems.len()), (0, 1));
}

#[test]
fn pe_sections_are_read_by_name() {
    let section = zlib(audit().as_bytes(), 9);
    let mut file = vec![0u8; 0x200];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x80;
    file[0x80..0x84].copy_from_slice(b"PE\0\0");
    file[0x86] = 1;
    file[0x94] = 16;
    let entry = 0x80 + 24 + 16;
    file[entry..entry + 7].copy_from_slice(b".dep-v0");
    file[entry + 8..entry + 12].copy_from_slice(&(section.len() as u32).to_le_bytes());
    file[entry + 16..entry + 20].copy_from_slice(&0x400u32.to_le_bytes());
    file[entry + 20..entry + 24].copy_from_slice(&0x200u32.to_le_bytes());
    file.extend(&section);
    file.resize(0x600, 0);
    file.extend(go_info("go1.22.3", &marked(LIST)));
    for chunk in [3, 600, 10_000] {
        let found = scan(&file, chunk);
        assert_eq!((listed(&found).len(), found.problems.len()), (7, 0), "chunks of {chunk}");
    }
}

#[test]
fn mach_o_sections_are_read_by_name() {
    let section = zlib(audit().as_bytes(), 9);
    let mut file = vec![0u8; 0x200];
    file[..4].copy_from_slice(&[0xcf, 0xfa, 0xed, 0xfe]);
    file[16] = 2;
    let mut command = |at: usize, kind: u32, bytes: u32| {
        file[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        file[at + 4..at + 8].copy_from_slice(&bytes.to_le_bytes());
    };
    command(32, 2, 24);
    command(56, 0x19, 72 + 80);
    let entry = 56 + 72;
    file[entry..entry + 7].copy_from_slice(b".dep-v0");
    file[entry + 40..entry + 48].copy_from_slice(&(section.len() as u64).to_le_bytes());
    file[entry + 48..entry + 52].copy_from_slice(&0x200u32.to_le_bytes());
    file.extend(&section);
    let found = scan(&file, 100);
    assert_eq!((listed(&found).len(), found.problems.len()), (2, 0));
}

#[test]
fn other_files_are_dropped_at_their_first_bytes() {
    let text = b"#!/bin/sh\n".repeat(100);
    let class = [&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52][..], &[0; 500]].concat();
    let mz = b"MZ is how this text begins ".repeat(50);
    for bytes in [text, class, mz, Vec::new(), b"\x7fE".to_vec(), b"\x7fELF".to_vec()] {
        for chunk in [1, 3, 5000] {
            assert_eq!(scan(&bytes, chunk), Found::default());
        }
    }
    let mut scanner = BinaryScanner::new("x", 1 << 40);
    scanner.feed(b"%PDF");
    assert!(matches!(scanner.state, State::Dropped));
}

#[test]
fn wants_programs_and_libraries() {
    assert!(wants("usr/bin/x", 0o755, 5000));
    assert!(wants("usr/lib/libx.so.1.2", 0o644, 5000));
    assert!(wants("srv/_rust.abi3.SO", 0o644, 5000));
    assert!(!wants("usr/lib/x.py", 0o644, 5000));
    assert!(!wants("usr/bin/x", 0o755, 20));
}

#[test]
fn damaged_programs_never_panic() {
    let programs = [
        go_program(),
        old_go_program(true, false, true, 100),
        rust_program(true, false, &zlib(audit().as_bytes(), 9)),
    ];
    let noise = filler(200_000);
    let mut noise = noise.chunks_exact(4).map(|raw| u32::from_le_bytes(raw.try_into().unwrap()));
    let mut below = |bound: usize| noise.next().unwrap() as usize % bound;
    for bytes in programs {
        for _ in 0..60 {
            let mut damaged = bytes[..bytes.len() - below(bytes.len() / 2)].to_vec();
            for _ in 0..below(30) {
                let reach = if below(2) == 0 { 200 } else { damaged.len() };
                let at = below(reach);
                damaged[at] = below(256) as u8;
            }
            assert!(scan(&damaged, 3000).packages.len() < 20);
        }
    }
}
