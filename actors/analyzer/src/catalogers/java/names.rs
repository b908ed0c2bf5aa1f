//! What the file name of a Java archive tells: `artifact[-version[-classifier]].jar`.
//!
//! Maven's default layout (repository layout "default") is followed; there is no escape in it, so
//! both artifacts (`log4j-1.2-api`) and classifiers (`shaded-protobuf`) may look like versions. The
//! rules below were tried on the archives of Debian's lib*-java packages.

/// Extensions of Java archives, without the dot, in lower case.
pub(super) const EXTENSIONS: [&str; 10] =
    ["jar", "war", "ear", "par", "sar", "nar", "jpi", "hpi", "kar", "lpkg"];

/// The words that are part of a version when they follow one after a hyphen.
const VERSION_WORDS: [&str; 27] = [
    "alpha",
    "beta",
    "rc",
    "cr",
    "m",
    "milestone",
    "ga",
    "final",
    "release",
    "snapshot",
    "sp",
    "b",
    "jre",
    "android",
    "dev",
    "pre",
    "preview",
    "ea",
    "incubating",
    "redhat",
    "build",
    "jbossorg",
    "patch",
    "p",
    "r",
    "v",
    "debian",
];

/// A file name taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    /// `log4j-1.2-api`; the whole stem when there is no version.
    pub(super) artifact: String,
    /// `2.20.0`.
    pub(super) version: Option<String>,
}

/// Whether a path or member name is a Java archive by its extension.
pub(super) fn is_archive(path: &[u8]) -> bool {
    let Some(dot) = memchr::memrchr(b'.', path) else { return false };
    let extension = &path[dot + 1..];
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
}

/// Takes the last component of `path` apart.
pub(super) fn parse(path: &str) -> FileName {
    let name = path.rsplit(['/', '!']).next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let tokens: Vec<&str> = stem.split('-').collect();
    let digit = |index: &usize| tokens[*index].starts_with(|c: char| c.is_ascii_digit());
    let dotted = |index: &usize| digit(index) && tokens[*index].contains('.');
    let Some(mut start) = (1..tokens.len()).find(digit) else {
        return osgi(stem);
    };
    let mut end = version_end(&tokens, start);
    // A later number with dots, behind words that belong to no version, is the version.
    while let Some(later) = (end..tokens.len()).find(dotted) {
        start = later;
        end = version_end(&tokens, start);
    }
    FileName { artifact: tokens[..start].join("-"), version: Some(tokens[start..end].join("-")) }
}

/// The first token behind the version that starts at `start`.
fn version_end(tokens: &[&str], start: usize) -> usize {
    let belongs = |token: &&str| {
        let word = token.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        token.starts_with(|c: char| c.is_ascii_digit())
            || VERSION_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
    };
    start + 1 + tokens[start + 1..].iter().take_while(|token| belongs(token)).count()
}

/// OSGi's way, `org.eclipse.osgi_3.18.0.v2022`: at least three numbers, because `kafka_2.13` is
/// an artifact.
fn osgi(stem: &str) -> FileName {
    let whole = FileName { artifact: stem.to_owned(), version: None };
    let Some((artifact, version)) = stem.rsplit_once('_') else { return whole };
    let numbers = version.split('.').take(3);
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if artifact.is_empty() || version.split('.').count() < 3 || !numbers.into_iter().all(numeric) {
        return whole;
    }
    FileName { artifact: artifact.to_owned(), version: Some(version.to_owned()) }
}
