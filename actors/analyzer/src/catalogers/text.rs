//! Control-file text (RFC 822 style), shared by Debian, Python and others: `Key: value` lines,
//! continuation lines that start with a blank, stanzas parted by empty lines.

use crate::limits::{FIELD_BYTES_MAX, STANZA_FIELDS_MAX};

/// One stanza: fields in order, keys in lower case, first lines of their values. No field that is
/// read here goes over several lines.
#[derive(Debug, Default)]
pub(crate) struct Stanza<'a> {
    /// Line on which it starts, from 1.
    pub(crate) line: usize,
    fields: Vec<(String, &'a str)>,
    /// Lines that are neither field nor continuation.
    pub(crate) stray_lines: usize,
}

impl<'a> Stanza<'a> {
    /// First line of the first field of that name, trimmed.
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.all(key).next()
    }

    /// First lines of all fields of that name.
    pub(crate) fn all<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.fields.iter().filter(move |(name, _)| name == key).map(|(_, value)| *value)
    }

    /// Whether it has no field at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn line(&mut self, line: &'a str) {
        if line.starts_with([' ', '\t']) {
            self.stray_lines += usize::from(self.fields.is_empty());
            return;
        }
        match line.split_once(':') {
            _ if self.fields.len() >= STANZA_FIELDS_MAX => self.stray_lines += 1,
            Some((key, value)) if !key.is_empty() && !key.contains(char::is_whitespace) => {
                self.fields.push((key.to_ascii_lowercase(), value.trim()));
            }
            _ => self.stray_lines += 1,
        }
    }
}

/// Calls `each` with every stanza of `text`, one at a time; stops when it answers `false`.
pub(crate) fn stanzas<'a>(text: &'a str, mut each: impl FnMut(Stanza<'a>) -> bool) {
    let mut stanza = Stanza::default();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            let full = !stanza.is_empty() || stanza.stray_lines > 0;
            if full && !each(std::mem::take(&mut stanza)) {
                return;
            }
            continue;
        }
        if stanza.is_empty() && stanza.stray_lines == 0 {
            stanza.line = index + 1;
        }
        stanza.line(line);
    }
    if !stanza.is_empty() || stanza.stray_lines > 0 {
        each(stanza);
    }
}

/// The header of a message: fields up to the first empty line.
pub(crate) fn header(text: &str) -> Stanza<'_> {
    let mut stanza = Stanza { line: 1, ..Stanza::default() };
    for line in text.lines().take_while(|line| !line.trim().is_empty()) {
        stanza.line(line);
    }
    stanza
}

/// Cuts a field at a character boundary to [`FIELD_BYTES_MAX`].
pub(crate) fn cut(value: &str) -> String {
    let mut end = value.len().min(FIELD_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].to_owned()
}

/// Whether a text can be a package name or version: not empty, not long, nothing unprintable and
/// no blank, so that it can stand in a purl, a table and a log line.
pub(crate) fn is_token(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= FIELD_BYTES_MAX
        && !value.contains(|c: char| c.is_whitespace() || c.is_control() || is_bidi(c))
}

/// Characters that turn the reading order and make a name look like another.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Adds a licence unless it is empty, too much, or there already.
pub(crate) fn push_license(licenses: &mut Vec<String>, license: &str) {
    let license = license.trim();
    if license.is_empty() || licenses.len() >= crate::limits::LICENSES_MAX {
        return;
    }
    let license = cut(license);
    if !licenses.contains(&license) {
        licenses.push(license);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_fields_and_strays() {
        let text = "A: 1\nB: 2\n more\n\n\n lost\nnonsense\nC:3\n";
        let mut seen = Vec::new();
        stanzas(text, |stanza| {
            seen.push((stanza.line, stanza.get("b"), stanza.get("c"), stanza.stray_lines));
            true
        });
        assert_eq!(seen, [(1, Some("2"), None, 0), (6, None, Some("3"), 2)]);
    }

    #[test]
    fn tokens() {
        assert!(is_token("libc6") && is_token("1.0~rc1+b2"));
        for bad in ["", "a b", "a\u{202e}b", "a\nb", "a\0"] {
            assert!(!is_token(bad), "{bad:?}");
        }
        assert!(!is_token(&"x".repeat(2000)));
    }
}
