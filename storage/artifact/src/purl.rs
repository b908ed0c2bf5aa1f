//! Package URLs (purl-spec): one place that builds the canonical text and takes it apart.

use packageurl::PackageUrl;

/// The parts that make a purl. `qualifiers` are sorted by the canonical form.
#[derive(Debug, Clone, Default)]
pub struct PurlParts<'a> {
    /// purl type, for instance `deb`, `pypi`, `golang`, `cargo`, `maven`.
    pub kind: &'a str,
    /// Namespace, already split (`debian`, `org.apache`, `@scope`); empty for none.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Version; empty for none.
    pub version: &'a str,
    /// Qualifiers with values; pairs with an empty value are left out.
    pub qualifiers: &'a [(&'a str, &'a str)],
    /// Subpath; empty for none.
    pub subpath: &'a str,
}

/// Builds the canonical purl, or `None` when the parts cannot make one (empty name, bad type).
#[must_use]
pub fn build(parts: &PurlParts<'_>) -> Option<String> {
    let mut purl = PackageUrl::new(parts.kind.to_owned(), parts.name.to_owned()).ok()?;
    if !parts.namespace.is_empty() {
        purl.with_namespace(parts.namespace.to_owned()).ok()?;
    }
    if !parts.version.is_empty() {
        purl.with_version(parts.version.to_owned()).ok()?;
    }
    if !parts.subpath.is_empty() {
        purl.with_subpath(parts.subpath.to_owned()).ok()?;
    }
    for (key, value) in parts.qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        purl.add_qualifier((*key).to_owned(), (*value).to_owned()).ok()?;
    }
    Some(purl.to_string())
}
