//! Which distribution the image is: `os-release(5)` (systemd) and the older release files.

use crate::catalogers::{Captured, Cataloger, Found, Want};
use crate::limits::OS_RELEASE_BYTES_MAX;
use kedge_artifact::distro::Distro;
use kedge_artifact::problem::Problem;

/// The row of the table.
pub(crate) const CATALOGER: Cataloger = Cataloger { name: "distro", version: 1, wants, catalog };

/// Where the squash looks, the best first. `os-release(5)` puts `/etc` before `/usr/lib`; the rest
/// serves images older than os-release. Derived distributions come before those they keep the
/// file of (CentOS ships `redhat-release` too).
pub(crate) const PRECEDENCE: &[&str] = &[
    "etc/os-release",
    "usr/lib/os-release",
    "etc/alpine-release",
    "etc/oracle-release",
    "etc/centos-release",
    "etc/rocky-release",
    "etc/almalinux-release",
    "etc/fedora-release",
    "etc/system-release",
    "etc/redhat-release",
    "etc/debian_version",
];

/// Longest value kept of one field.
const VALUE_BYTES_MAX: usize = 256;

fn wants(path: &str, _mode: u32, _size: u64) -> Want {
    // Some images make os-release a link to one of several files beside it.
    let known = (path.starts_with("etc/") || path.starts_with("usr/lib/"))
        && (PRECEDENCE.contains(&path) || is_os_release(path));
    if known { Want::Whole { bytes_max: OS_RELEASE_BYTES_MAX } } else { Want::No }
}

fn is_os_release(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("os-release"))
}

fn catalog(file: Captured<'_>) -> Found {
    let content = String::from_utf8_lossy(file.bytes);
    let name = file.path.rsplit('/').next().unwrap_or("");
    let distro = match name {
        "alpine-release" => release("alpine", "Alpine Linux", content.trim()),
        "debian_version" => debian_version(content.trim()),
        _ if is_os_release(file.path) => os_release(&content),
        _ => red_hat_release(content.trim()),
    };
    match distro {
        Ok(distro) => Found { distro: Some(distro), ..Found::default() },
        Err(what) => {
            let problem = Problem::degraded("distro_unknown", format!("/{}", file.path), what);
            Found { problems: vec![problem], ..Found::default() }
        }
    }
}

/// Shell-like `KEY=value` lines, optionally quoted.
fn os_release(content: &str) -> Result<Distro, &'static str> {
    let mut distro = Distro::default();
    let (mut name, mut version) = (String::new(), String::new());
    for line in content.lines() {
        let line = line.trim();
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = unquote(value);
        match key {
            "ID" => distro.id = value.to_ascii_lowercase(),
            "VERSION_ID" => distro.version_id = value,
            "VERSION_CODENAME" => distro.codename = value,
            "ID_LIKE" => {
                distro.id_like =
                    value.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
            }
            "PRETTY_NAME" => distro.pretty_name = value,
            "NAME" => name = value,
            "VERSION" => version = value,
            _ => {}
        }
    }
    if distro.id.is_empty() {
        // os-release(5): "If not set, defaults to ID=linux"; the name is better than that.
        distro.id = name.split_ascii_whitespace().next().unwrap_or("linux").to_ascii_lowercase();
    }
    if distro.pretty_name.is_empty() {
        distro.pretty_name = format!("{name} {version}").trim().to_owned();
    }
    if !is_id(&distro.id) {
        return Err("ID has characters that os-release does not allow");
    }
    distro.id_like.retain(|id| is_id(id));
    if !distro.version_id.is_empty() && !is_id(&distro.version_id.to_ascii_lowercase()) {
        return Err("VERSION_ID has characters that os-release does not allow");
    }
    if !distro.codename.is_empty() && !is_id(&distro.codename.to_ascii_lowercase()) {
        distro.codename.clear();
    }
    Ok(distro)
}

/// Lower-case letters, digits, dot, underscore, dash, and not a path in disguise.
fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    !id.is_empty() && id.len() <= 64 && id.bytes().all(plain) && !id.starts_with('.')
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let quoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote).and_then(|value| value.strip_suffix(*quote)));
    let mut out = String::new();
    let mut escaped = false;
    for c in quoted.unwrap_or(value).chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        if !c.is_control() && out.len() < VALUE_BYTES_MAX {
            out.push(c);
        }
    }
    out
}

fn release(id: &str, name: &str, version: &str) -> Result<Distro, &'static str> {
    if !is_id(&version.to_ascii_lowercase()) {
        return Err("release file has no version in it");
    }
    Ok(Distro {
        id: id.to_owned(),
        version_id: version.to_owned(),
        codename: String::new(),
        id_like: Vec::new(),
        pretty_name: format!("{name} {version}"),
    })
}

/// `12.5`, or `trixie/sid` before a release.
fn debian_version(content: &str) -> Result<Distro, &'static str> {
    let major = content.split('.').next().unwrap_or("");
    if !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()) {
        return release("debian", "Debian GNU/Linux", major);
    }
    let codename = content.split('/').next().unwrap_or("");
    if !is_id(codename) {
        return Err("release file has no version in it");
    }
    Ok(Distro {
        id: "debian".into(),
        codename: codename.to_owned(),
        pretty_name: format!("Debian GNU/Linux {codename}"),
        ..Distro::default()
    })
}

/// `CentOS Linux release 7.9.2009 (Core)` and its kin.
fn red_hat_release(content: &str) -> Result<Distro, &'static str> {
    let line = content.lines().next().unwrap_or("");
    let (name, rest) = line.split_once(" release ").ok_or("release file has no version in it")?;
    let version: String =
        rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').take(32).collect();
    let names = [
        ("CentOS", "centos"),
        ("Rocky", "rocky"),
        ("AlmaLinux", "almalinux"),
        ("Oracle", "ol"),
        ("Fedora", "fedora"),
        ("Amazon", "amzn"),
        ("Red Hat", "rhel"),
    ];
    let id = names.iter().find(|(start, _)| name.starts_with(start));
    let (_, id) = id.ok_or("release file names no known distribution")?;
    let mut distro = release(id, name, version.trim_end_matches('.'))?;
    distro.pretty_name = line.chars().filter(|c| !c.is_control()).take(128).collect();
    if *id != "fedora" {
        distro.id_like = vec!["rhel".into(), "fedora".into()];
    }
    Ok(distro)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, bytes: &[u8]) -> Found {
        assert_ne!(wants(path, 0o644, bytes.len() as u64), Want::No, "{path}");
        catalog(Captured { path, bytes })
    }

    #[test]
    fn os_release_fields() {
        let bytes = include_bytes!("../../testdata/distro/os-release-debian");
        let distro = read("usr/lib/os-release", bytes).distro.unwrap();
        assert_eq!(distro.label(), "debian:12");
        assert_eq!(distro.codename, "bookworm");
        assert_eq!(distro.pretty_name, "Debian GNU/Linux 12 (bookworm)");
        let text = b"ID='rocky'\nVERSION_ID=\"9.3\"\nID_LIKE=\"rhel centos fedora\"\nNAME=Rocky\n";
        let distro = read("etc/os-release", text).distro.unwrap();
        assert_eq!(distro.id_like, ["rhel", "centos", "fedora"]);
        assert_eq!(distro.label(), "rocky:9.3");
        assert_eq!(distro.pretty_name, "Rocky");
    }

    #[test]
    fn older_release_files() {
        let check = |path: &str, text: &str, label: &str| {
            let found = read(path, text.as_bytes());
            assert_eq!(found.distro.unwrap().label(), label, "{path}");
        };
        check("etc/alpine-release", "3.19.1\n", "alpine:3.19.1");
        check("etc/debian_version", "11.7\n", "debian:11");
        check("etc/debian_version", "trixie/sid\n", "debian:rolling");
        check("etc/centos-release", "CentOS Linux release 7.9.2009 (Core)\n", "centos:7.9.2009");
        check("etc/redhat-release", "Red Hat Enterprise Linux release 8.9 (Ootpa)\n", "rhel:8.9");
        check("etc/system-release", "Amazon Linux release 2 (Karoo)\n", "amzn:2");
    }

    #[test]
    fn an_id_is_never_a_path() {
        for id in ["../../etc", "/etc/passwd", ".", "a b", "é", ""] {
            let text = format!("ID=\"{id}\"\nNAME=\"{id}\"\n");
            let found = read("etc/os-release", text.as_bytes());
            if let Some(distro) = &found.distro {
                assert!(matches!(distro.id.as_str(), "linux" | "a"), "{id:?} gave {}", distro.id);
            } else {
                assert_eq!(found.problems[0].code, "distro_unknown");
            }
        }
        assert_eq!(
            read("etc/os-release", b"ID=debian\nVERSION_ID=../../x\n").problems[0].message,
            "VERSION_ID has characters that os-release does not allow"
        );
    }
}
