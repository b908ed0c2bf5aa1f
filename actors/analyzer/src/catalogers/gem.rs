//! Ruby gems: `specifications/*.gemspec` of installed gems.
//!
//! Installed specifications are written by RubyGems itself (`Gem::Specification#to_ruby`), one
//! assignment per line, with a `# stub: name version platform paths` line on top. They are read as
//! text; no Ruby is run.

use crate::catalogers::text;
use crate::catalogers::{Captured, Cataloger, Found, Want};
use crate::limits::MANIFEST_BYTES_MAX;
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind};
use kedge_artifact::problem::Problem;
use kedge_artifact::purl::{PurlParts, build};

/// The row of the table.
pub(crate) const CATALOGER: Cataloger = Cataloger { name: "gem", version: 1, wants, catalog };

fn wants(path: &str, _mode: u32, _size: u64) -> Want {
    let installed = path.ends_with(".gemspec")
        && path.rsplit_once('/').is_some_and(|(directory, _)| {
            directory.ends_with("specifications") || directory.ends_with("specifications/default")
        });
    if installed { Want::Whole { bytes_max: MANIFEST_BYTES_MAX } } else { Want::No }
}

fn catalog(file: Captured<'_>) -> Found {
    let content = String::from_utf8_lossy(file.bytes);
    match package(&content) {
        Some(package) => Found { packages: vec![package], ..Found::default() },
        None => {
            let place = format!("/{}", file.path);
            let what = "gem specification has no usable name and version";
            Found {
                problems: vec![Problem::degraded("gem_specification_malformed", place, what)],
                ..Found::default()
            }
        }
    }
}

fn package(content: &str) -> Option<Package> {
    let (mut name, mut version, mut platform) = (None, None, None);
    if let Some(stub) = content.lines().take(5).find_map(|line| line.strip_prefix("# stub: ")) {
        let mut words = stub.split_ascii_whitespace();
        (name, version, platform) = (words.next(), words.next(), words.next());
    }
    let name = name.or_else(|| first(content, "name"))?;
    let version = version.or_else(|| first(content, "version"))?;
    let platform = platform.or_else(|| first(content, "platform"));
    if !is_name(name) || !text::is_token(version) {
        return None;
    }
    let platform = platform.filter(|p| *p != "ruby" && text::is_token(p)).unwrap_or("");
    let parts = PurlParts {
        kind: "gem",
        name,
        version,
        qualifiers: &[("platform", platform)],
        ..PurlParts::default()
    };
    let mut licenses = Vec::new();
    for key in ["licenses", "license"] {
        strings(content, key).for_each(|license| text::push_license(&mut licenses, license));
    }
    Some(Package {
        purl: build(&parts)?,
        id: PackageId(String::new()),
        name: name.to_owned(),
        version: version.to_owned(),
        kind: PackageKind::Gem,
        architecture: None,
        source: None,
        licenses,
        locations: Vec::new(),
        owned_by: None,
        size: None,
        origin: first(content, "authors").or_else(|| first(content, "author")).map(text::cut),
        details: PackageDetails::None,
    })
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= 256 && !name.starts_with('.') && name.bytes().all(plain)
}

fn first<'a>(content: &'a str, key: &str) -> Option<&'a str> {
    strings(content, key).next()
}

/// The string literals on the right side of `<variable>.key = …`.
fn strings<'a>(content: &'a str, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let right = content.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let (variable, field) = left.trim().split_once('.')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (field.trim() == key && variable.chars().all(plain)).then_some(right)
    });
    // Odd pieces between quotes are the literals.
    right.unwrap_or("").split(['"', '\'']).skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Found {
        let path = "usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec";
        assert_ne!(wants(path, 0o644, text.len() as u64), Want::No);
        catalog(Captured { path, bytes: text.as_bytes() })
    }

    #[test]
    fn installed_specification() {
        let found = read(include_str!("../../testdata/gem/nokogiri.gemspec"));
        let package = &found.packages[0];
        assert_eq!((package.name.as_str(), package.version.as_str()), ("nokogiri", "1.16.0"));
        assert_eq!(package.purl, "pkg:gem/nokogiri@1.16.0?platform=x86_64-linux");
        assert_eq!(package.licenses, ["MIT", "Ruby"]);
        assert_eq!(package.origin.as_deref(), Some("Mike Dalessio"));
        assert_eq!(wants("app/vendor/x.gemspec", 0, 1), Want::No);
    }

    #[test]
    fn without_stub_and_hostile() {
        let text = "Gem::Specification.new do |s|\n  s.name = %q{x}\n  s.name = 'rake'\n\
                    s.version = \"13.0.6\"\nend\n";
        assert!(read(text).packages.is_empty(), "forms that RubyGems does not write");
        let text = "  s.name = 'rake'.freeze\n  s.version = Gem::Version.new(\"13.0.6\")\n";
        assert_eq!(read(text).packages[0].purl, "pkg:gem/rake@13.0.6");
        for text in ["", "# stub: ../x 1 ruby lib", "# stub: x", "s.name = \"", "\u{0}"] {
            assert_eq!(read(text).problems.len(), 1, "{text:?}");
        }
    }
}
