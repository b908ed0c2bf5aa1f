//! The fixtures were made with rpmbuild and rpm 4.18 (`rpmdb.sqlite`, `acme-node.header`), with
//! `db5.3_load` from the same headers (`Packages-*`), and with Python's sqlite3 (`deep.sqlite`:
//! 512-byte pages, UTF-16, 150 rows on overflow pages). The ndb file is laid out here.

use super::header::{Header, HeaderError, tag};
use super::ndb::adler32;
use super::*;
use kedge_artifact::package::{Package, PackageDetails, SourcePackage};
use kedge_artifact::problem::ProblemSeverity;

macro_rules! fixture {
    ($name:literal) => {
        unpack(include_bytes!(concat!("../../../testdata/rpm/", $name)))
    };
}

const NODE_HEADER: &[u8] = include_bytes!("../../../testdata/rpm/acme-node.header");

fn unpack(compressed: &[u8]) -> Vec<u8> {
    zstd::decode_all(compressed).unwrap()
}

fn read(path: &str, bytes: &[u8]) -> Found {
    catalog(Captured { path, bytes })
}

fn names(found: &Found) -> Vec<&str> {
    let mut names: Vec<&str> = found.packages.iter().map(|package| package.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn find<'a>(found: &'a Found, name: &str) -> &'a Package {
    found.packages.iter().find(|package| package.name == name).unwrap()
}

const ALL: [&str; 5] = ["acme-base", "acme-empty", "acme-lib", "acme-node", "acme-tls"];

fn check_fixture(path: &str, bytes: &[u8]) {
    let found = read(path, bytes);
    assert_eq!(found.problems, [], "{path}");
    // The public key among the headers is not a package.
    assert_eq!(names(&found), ALL, "{path}");
    let node = find(&found, "acme-node");
    assert_eq!(node.version, "1:18.19.0-1.module_el9");
    assert_eq!(node.architecture.as_deref(), Some("noarch"));
    assert_eq!(node.licenses, ["MIT and BSD"]);
    assert_eq!(node.origin.as_deref(), Some("Acme Systems"));
    assert_eq!(node.size, Some(36));
    assert_eq!(
        node.details,
        PackageDetails::Rpm {
            epoch: Some(1),
            module: Some("node:18:9030020240101000000:rhel9".to_owned()),
            vendor: "Acme Systems".to_owned()
        }
    );
    assert_eq!(
        node.purl,
        "pkg:rpm/acme-node@18.19.0-1.module_el9?arch=noarch&epoch=1\
         &rpmmod=node:18:9030020240101000000:rhel9\
         &upstream=acme-node-18.19.0-1.module_el9.src.rpm"
    );
    // The source version lacks the epoch, so it is kept.
    let source = |name: &str, version: Option<&str>| {
        Some(SourcePackage { name: name.to_owned(), version: version.map(str::to_owned) })
    };
    assert_eq!(node.source, source("acme-node", Some("18.19.0-1.module_el9")));
    assert_eq!(find(&found, "acme-lib").source, source("acme-source", Some("2.1-7")));
    assert_eq!(find(&found, "acme-base").source, source("acme-base", None));
    assert_eq!(find(&found, "acme-base").version, "12-3.el9");
    let tls = found.owned.iter().find(|owned| owned.name == "acme-tls").unwrap();
    assert_eq!(tls.files, ["usr/bin/acmetls", "usr/lib64/libacmetls.so.3"]);
    assert!(found.owned.iter().all(|owned| owned.name != "acme-empty"));
}

#[test]
fn reads_a_real_sqlite_database() {
    check_fixture("var/lib/rpm/rpmdb.sqlite", &fixture!("rpmdb.sqlite.zst"));
}

#[test]
fn reads_berkeley_db_in_both_byte_orders_and_three_page_sizes() {
    check_fixture("var/lib/rpm/Packages", &fixture!("Packages-le512.zst"));
    check_fixture("var/lib/rpm/Packages", &fixture!("Packages-be4096.zst"));
    // 32 KiB pages keep the headers inline.
    check_fixture("var/lib/rpm/Packages", &fixture!("Packages-le32768.zst"));
}

#[test]
fn reads_ndb_with_the_headers_of_the_sqlite_database() {
    let mut blobs = Vec::new();
    let mut problems = FileProblems::of("x");
    let database = fixture!("rpmdb.sqlite.zst");
    sqlite::read(&database, &mut problems, &mut |blob| blobs.push(blob.to_vec()));
    assert_eq!(blobs.len(), 6);
    check_fixture("usr/lib/sysimage/rpm/Packages.db", &ndb_file(&blobs));
}

#[test]
fn walks_interior_pages_and_overflow_chains() {
    let found = read("usr/lib/sysimage/rpm/rpmdb.sqlite", &fixture!("deep.sqlite.zst"));
    assert_eq!(found.problems, []);
    let expected: Vec<String> = (0..150).map(|number| format!("acme-{number:04}")).collect();
    assert_eq!(names(&found), expected);
    assert_eq!(found.owned.len(), 150);
}

#[test]
fn wants_databases_only_where_rpm_keeps_them() {
    let wanted = |path| wants(path, 0o644, 10) != Want::No;
    assert!(wanted("var/lib/rpm/Packages"));
    assert!(wanted("usr/share/rpm/rpmdb.sqlite"));
    assert!(wanted("usr/lib/sysimage/rpm/Packages.db"));
    assert!(wanted("var/lib/rpmmanifest/container-manifest-2"));
    assert!(wanted("var/lib/rpm/rpmdb.sqlite-wal"));
    assert_eq!(wants("var/lib/rpm/rpmdb.sqlite-wal", 0o644, 0), Want::No);
    assert!(!wanted("opt/var/lib/rpm/Packages"));
    assert!(!wanted("var/lib/rpm/Name"));
    assert!(!wanted("var/lib/dpkg/Packages"));
}

#[test]
fn a_write_ahead_log_is_reported() {
    let found = read("var/lib/rpm/rpmdb.sqlite-wal", b"\x37\x7f\x06\x82");
    assert_eq!(found.problems[0].code, "rpm_wal_present");
}

#[test]
fn reads_the_manifest_of_distroless_images() {
    let text = "mariner-release\t2.0-12.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\
                \t580\tnoarch\t0\tmariner-release-2.0-12.cm2.src.rpm\n\
                bash\t5.1-1.cm2\t1\t1\t(none)\t2\t9\tx86_64\t2\tbash-5.1-1.cm2.src.rpm\r\n\
                gpg-pubkey\t1-2\t1\t1\t(none)\t(none)\t0\t(none)\t0\t(none)\n\
                short\tline\n\n";
    let found = read(MANIFEST_PATH, text.as_bytes());
    assert_eq!(names(&found), ["bash", "mariner-release"]);
    let release = find(&found, "mariner-release");
    assert_eq!((release.version.as_str(), release.size), ("2.0-12.cm2", Some(580)));
    assert_eq!(release.origin.as_deref(), Some("Microsoft Corporation"));
    assert_eq!(find(&found, "bash").version, "2:5.1-1.cm2");
    assert_eq!(found.problems.len(), 1);
    assert_eq!(found.problems[0].message, "line 4 is not a package line of 10 fields");
}

#[test]
fn unknown_and_empty_databases_are_told() {
    let code = |bytes: &[u8]| read("var/lib/rpm/Packages", bytes).problems[0].code.clone();
    assert_eq!(code(b""), "rpm_database_empty");
    assert_eq!(code(b"hello"), "rpm_database_unknown");
    assert_eq!(code(sqlite::MAGIC), "rpm_sqlite_damaged");
    assert_eq!(code(ndb::MAGIC), "rpm_ndb_damaged");
}

// --- headers ---

/// A header of (tag, type, count, data) entries, each aligned as its type wants.
fn header_of(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, kind, count, value) in entries {
        while data.len() % 8 != 0 {
            data.push(0);
        }
        for word in [*tag, *kind, data.len() as u32, *count] {
            index.extend_from_slice(&word.to_be_bytes());
        }
        data.extend_from_slice(value);
    }
    let mut blob = (entries.len() as u32).to_be_bytes().to_vec();
    blob.extend_from_slice(&(data.len() as u32).to_be_bytes());
    blob.extend(index);
    blob.extend(data);
    blob
}

const BASIC: [(u32, u32, u32, &[u8]); 3] =
    [(tag::NAME, 6, 1, b"acme\0"), (tag::VERSION, 6, 1, b"1.0\0"), (tag::RELEASE, 6, 1, b"2\0")];

fn with(extra: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    header_of(&[&BASIC[..], extra].concat())
}

fn installed(blob: &[u8]) -> Result<Option<package::Installed>, HeaderError> {
    package::from_header(blob, &mut (1 << 20))
}

#[test]
fn a_minimal_header_is_a_package_without_guesses() {
    let package = installed(&with(&[])).unwrap().unwrap().package;
    assert_eq!((package.name.as_str(), package.version.as_str()), ("acme", "1.0-2"));
    assert_eq!((package.architecture, package.source), (None, None));
    assert_eq!(package.purl, "pkg:rpm/acme@1.0-2");
    // A header says of itself that it is not modular: by leaving the tag out.
    let module = Some(String::new());
    let details = PackageDetails::Rpm { epoch: None, module, vendor: String::new() };
    assert_eq!(package.details, details);
}

#[test]
fn epoch_zero_and_an_empty_module_label_are_kept() {
    let blob = with(&[(tag::EPOCH, 4, 1, &[0; 4]), (tag::MODULARITYLABEL, 6, 1, b"\0")]);
    let package = installed(&blob).unwrap().unwrap().package;
    assert_eq!(package.version, "0:1.0-2");
    let module = Some(String::new());
    let details = PackageDetails::Rpm { epoch: Some(0), module, vendor: String::new() };
    assert_eq!(package.details, details);
}

#[test]
fn headers_that_lie_are_refused() {
    let mut many = vec![0xff; 4];
    many.extend([0, 0, 0, 0]);
    assert!(matches!(Header::parse(&many), Err(HeaderError::TooMany { .. })));
    let huge_data = [0u8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(Header::parse(&huge_data), Err(HeaderError::TooMany { .. })));
    // Offsets that point backwards (negative) or behind the end, impossible types and counts.
    let entry = |kind: u32, offset: u32, count: u32| {
        let mut blob = with(&[(tag::ARCH, 6, 1, b"x\0")]);
        let at = 8 + 3 * 16;
        for (index, word) in [tag::ARCH, kind, offset, count].iter().enumerate() {
            blob[at + index * 4..at + index * 4 + 4].copy_from_slice(&word.to_be_bytes());
        }
        Header::parse(&blob).err()
    };
    assert_eq!(entry(6, 0, 1), None);
    assert!(matches!(entry(6, 0xffff_fff0, 1), Some(HeaderError::Outside { .. })));
    assert!(matches!(entry(6, 10_000, 1), Some(HeaderError::Outside { .. })));
    assert!(matches!(entry(8, 0, 0xffff_ffff), Some(HeaderError::Outside { .. })));
    assert!(matches!(entry(4, 0, 0x4000_0000), Some(HeaderError::Outside { .. })));
    assert!(matches!(entry(4, 1, 1), Some(HeaderError::Outside { .. })));
    assert!(matches!(entry(6, 0, 0), Some(HeaderError::Outside { .. })));
    assert!(matches!(entry(7, 0, 1), Some(HeaderError::Type { kind: 7, .. })));
    assert_eq!(installed(&header_of(&BASIC[1..])).unwrap_err(), HeaderError::Missing("name"));
}

#[test]
fn file_lists_that_contradict_themselves_leave_the_package() {
    let directories = (tag::DIRNAMES, 8, 1, &b"/a/\0"[..]);
    let basenames = (tag::BASENAMES, 8, 2, &b"b\0c\0"[..]);
    let check = |indexes: (u32, u32, u32, &[u8]), reason: &str| {
        let blob = with(&[directories, basenames, indexes]);
        let installed = installed(&blob).unwrap().unwrap();
        assert!(installed.owned.is_none());
        let error = installed.files_error.unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    };
    check((tag::DIRINDEXES, 4, 1, &[0; 4]), "differ in number");
    check((tag::DIRINDEXES, 4, 2, &[0, 0, 0, 0, 0, 0, 0, 9]), "points outside");
    let good = with(&[directories, basenames, (tag::DIRINDEXES, 4, 2, &[0; 8])]);
    assert_eq!(installed(&good).unwrap().unwrap().owned.unwrap().files, ["a/b", "a/c"]);
}

#[test]
fn paths_are_counted_against_their_budget() {
    // 4,000 files of one directory with a long name: 8 MB of paths from 40 KB.
    let directory = [b"/".as_slice(), &[b'd'; 2000], b"/\0"].concat();
    let basenames = b"f\0".repeat(4000);
    let indexes = vec![0u8; 16_000];
    let blob = with(&[
        (tag::DIRNAMES, 8, 1, &directory),
        (tag::BASENAMES, 8, 4000, &basenames),
        (tag::DIRINDEXES, 4, 4000, &indexes),
    ]);
    let installed = installed(&blob).unwrap().unwrap();
    let error = installed.files_error.unwrap().to_string();
    assert!(error.contains("PATH_BYTES_TOTAL_MAX"), "{error}");
}

#[test]
fn a_header_cut_anywhere_never_panics() {
    for length in 0..NODE_HEADER.len() {
        assert!(installed(&NODE_HEADER[..length]).is_err(), "cut at {length}");
    }
    assert!(installed(NODE_HEADER).unwrap().is_some());
}

// --- databases ---

/// An ndb file with one slot page, its blobs in reverse order of their slots.
fn ndb_file(blobs: &[Vec<u8>]) -> Vec<u8> {
    let word = |value: usize| (value as u32).to_le_bytes();
    let mut file = [b"RpmP".as_slice(), &word(0), &word(7), &word(1), &[0; 16]].concat();
    file.resize(4096, 0);
    for slot in file[32..].chunks_exact_mut(16) {
        slot[..4].copy_from_slice(b"Slot");
    }
    for (index, blob) in blobs.iter().enumerate().rev() {
        let blocks = (16 + blob.len() + 12).div_ceil(16);
        let package = word(index + 1);
        let slot = [b"Slot".as_slice(), &package, &word(file.len() / 16), &word(blocks)].concat();
        file[32 + index * 16..48 + index * 16].copy_from_slice(&slot);
        let mut raw = [b"BlbS".as_slice(), &package, &word(1), &word(blob.len()), blob].concat();
        raw.resize(blocks * 16 - 12, 0);
        let sum = adler32(&raw).to_le_bytes();
        file.extend([raw.as_slice(), &sum, &word(blob.len()), b"BlbE"].concat());
    }
    file
}

#[test]
fn adler32_is_that_of_zlib() {
    assert_eq!(adler32(b""), 1);
    assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    assert_eq!(adler32(&[0xff; 70_000]), 0x2a28_6e81);
}

#[test]
fn a_damaged_ndb_blob_is_told_and_the_others_stay() {
    let blobs = [NODE_HEADER.to_vec(), with(&[])];
    let good = ndb_file(&blobs);
    let path = "var/lib/rpm/Packages.db";
    assert_eq!(names(&read(path, &good)), ["acme", "acme-node"]);
    let check = |at: usize, byte: u8, reason: &str| {
        let mut file = good.clone();
        file[at] ^= byte;
        let found = read(path, &file);
        assert_eq!(names(&found), ["acme-node"], "{reason}");
        assert!(found.problems[0].message.contains(reason), "{:?}", found.problems);
    };
    // The second package's blob was laid down first, at 4096.
    check(4096 + 30, 1, "checksum");
    check(4096, 1, "head does not match");
    check(4096 + 12, 64, "length does not match");
    check(32 + 16 + 12, 1, "does not match its blocks");
    check(32 + 16 + 8, 128, "overlap");
    check(32 + 16, 1, "no slot magic");
}

#[test]
fn sqlite_pages_in_a_circle_end() {
    let mut file = fixture!("deep.sqlite.zst");
    // Page 2 is the root of `Packages` and an interior page; its right child becomes itself.
    let root = 512;
    assert_eq!(file[root], 5);
    file[root + 8..root + 12].copy_from_slice(&2u32.to_be_bytes());
    let found = read("var/lib/rpm/rpmdb.sqlite", &file);
    assert!(!found.packages.is_empty() && found.packages.len() < 150);
    assert_eq!(found.problems[0].severity, ProblemSeverity::Error);
    assert_eq!(found.problems[0].message, "sqlite page 2: is reached twice");
}

#[test]
fn sqlite_cells_that_share_a_row_cannot_multiply_it() {
    let mut file = fixture!("rpmdb.sqlite.zst");
    // Every cell pointer of every leaf page becomes the first one, and there are many.
    for page in file.chunks_exact_mut(4096).skip(1).filter(|page| page[0] == 0x0d) {
        let first = [page[8], page[9]];
        page[3..5].copy_from_slice(&2000u16.to_be_bytes());
        for pointer in page[8..8 + 4000].chunks_exact_mut(2) {
            pointer.copy_from_slice(&first);
        }
    }
    let size = file.len();
    let found = read("var/lib/rpm/rpmdb.sqlite", &file);
    assert!(found.packages.len() * 1000 < size, "{} packages", found.packages.len());
    assert!(!found.problems.is_empty());
}

#[test]
fn berkeley_overflow_pages_in_a_circle_end() {
    let mut file = fixture!("Packages-le512.zst");
    for page in file.chunks_exact_mut(512).filter(|page| page[25] == 7) {
        let own: [u8; 4] = page[8..12].try_into().unwrap();
        page[16..20].copy_from_slice(&own);
    }
    let found = read("var/lib/rpm/Packages", &file);
    assert!(found.problems.iter().all(|problem| problem.message.contains("overflow chain")));
    assert_eq!((found.packages.len(), found.problems.len()), (0, 6));
}

#[test]
fn berkeley_files_that_are_not_supported_are_named() {
    let check = |at: usize, byte: u8, reason: &str| {
        let mut file = fixture!("Packages-le512.zst");
        file[at] = byte;
        let found = read("var/lib/rpm/Packages", &file);
        assert!(found.problems[0].message.contains(reason), "{:?}", found.problems);
    };
    check(24, 1, "encrypted");
    check(25, 9, "not of a hash database");
    check(26, 1, "checksums");
    check(20, 1, "page size");
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn databases() -> [Vec<u8>; 5] {
    [
        fixture!("rpmdb.sqlite.zst"),
        fixture!("deep.sqlite.zst"),
        fixture!("Packages-le512.zst"),
        fixture!("Packages-be4096.zst"),
        ndb_file(&[NODE_HEADER.to_vec(), with(&[]), NODE_HEADER.to_vec()]),
    ]
}

#[test]
fn databases_cut_anywhere_never_panic() {
    for file in databases() {
        let whole = read("var/lib/rpm/Packages", &file).packages.len();
        for length in (0..file.len()).step_by(file.len() / 200).chain(0..150) {
            let found = read("var/lib/rpm/Packages", &file[..length]);
            assert!(found.packages.len() <= whole);
            assert!(!found.problems.is_empty() || found.packages.len() == whole, "{length}");
        }
    }
}

#[test]
fn damaged_databases_never_panic_and_stay_bounded() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for file in databases() {
        for _ in 0..150 {
            let mut damaged = file.clone();
            for _ in 0..=random.below(12) {
                // Structure lies in the first pages; damage it as often as the rest.
                let reach = if random.below(2) == 0 { 600 } else { damaged.len() };
                let at = random.below(reach.min(damaged.len()));
                damaged[at] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
            }
            let found = read("var/lib/rpm/Packages", &damaged);
            assert!(found.packages.len() < 2000);
        }
    }
}
