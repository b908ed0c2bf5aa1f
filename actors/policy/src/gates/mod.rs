//! The table of gates. A gate is data; adding one means adding a file and a row.

pub mod always;
pub mod distro;
pub mod dockerfile;
pub mod files;
pub mod later;
pub mod metadata;
pub mod packages;
pub mod vulnerabilities;

use crate::facts::ImageFacts;
use crate::limits::FINDINGS_PER_RULE_MAX;
use crate::params::Params;
use crate::pattern::start_regex;
use kedge_artifact::time::Timestamp;
use std::borrow::Cow;

/// All gates that a document may name, in the order in which they are listed.
pub const GATES: &[Gate] = &[
    always::GATE,
    dockerfile::GATE,
    files::GATE,
    later::PASSWD_FILE,
    packages::GATE,
    vulnerabilities::GATE,
    later::LICENSES,
    later::RUBY_GEMS,
    later::NPMS,
    later::SECRET_SCANS,
    metadata::GATE,
    later::RETRIEVED_FILES,
    later::MALWARE,
    distro::GATE,
    later::ANCESTRY,
    later::TAG_DRIFT,
    later::IMAGE_SOURCE_DRIFT,
    later::STIG,
];

/// Gates of old documents that are gone, with the gate that took their place.
pub const EOL_GATES: &[(&str, Option<&str>)] = &[
    ("suiddiff", None),
    ("imagecheck", None),
    ("pkgdiff", None),
    ("anchoresec", Some("vulnerabilities")),
    ("pkgcheck", Some("packages")),
    ("pkgblacklist", Some("packages")),
    ("dockerfilecheck", Some("dockerfile")),
    ("filecheck", Some("files")),
    ("fileparse_passwd", Some("passwd_file")),
    ("gemcheck", Some("ruby_gems")),
    ("metadatacheck", Some("metadata")),
    ("licblacklist", Some("licenses")),
    ("npmcheck", Some("npms")),
    ("secretcheck", Some("secret_scans")),
];

/// Whether a gate may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In use.
    Active,
    /// Works, will go.
    Deprecated,
}

/// A gate.
#[derive(Debug)]
pub struct Gate {
    /// Name in documents.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// Whether it may be used.
    pub state: State,
    /// Its triggers.
    pub triggers: &'static [Trigger],
}

/// A trigger.
#[derive(Debug)]
pub struct Trigger {
    /// Name in documents.
    pub name: &'static str,
    /// When it fires.
    pub description: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// Which facts its answer rests on.
    pub rests_on: RestsOn,
    /// What it does.
    pub(crate) check: Check,
}

/// Which facts a trigger's answer rests on: when they are incomplete, so is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestsOn {
    /// Nothing that an analysis finds.
    Nothing,
    /// The image's contents.
    Contents,
    /// The image's contents and the advisory data.
    Advisories,
}

/// A parameter.
#[derive(Debug)]
pub struct Param {
    /// Name in documents.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// An example value.
    pub example: &'static str,
    /// Whether a rule must set it.
    pub required: bool,
    /// What values it takes.
    pub validator: Validator,
}

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validator {
    /// Any text.
    Text,
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number, at least this.
    Integer(i64),
    /// A number.
    Float,
    /// One of these words, in any case.
    Words(&'static [&'static str]),
    /// Texts separated by commas.
    List,
    /// Whole numbers separated by commas.
    Numbers,
    /// A regular expression.
    Regex,
    /// Permission bits in octal digits.
    Octal,
    /// Depends on the parameter of this name.
    Linked(&'static str),
}

pub(crate) type CheckFn = fn(&Rule<'_>, &mut Sink) -> Result<(), CannotEvaluate>;

/// What a trigger does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Check {
    /// Looks at the facts.
    Run(CheckFn),
    /// The data it needs is not collected; the text says which.
    Never(&'static str),
}

/// Why a rule could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CannotEvaluate(pub(crate) String);

impl CannotEvaluate {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A rule that is being evaluated.
pub(crate) struct Rule<'a> {
    pub(crate) facts: &'a ImageFacts<'a>,
    pub(crate) now: Timestamp,
    pub(crate) params: Params<'a>,
}

impl Rule<'_> {
    /// A parameter that validation has seen to.
    pub(crate) fn need<T>(&self, value: Option<T>, name: &str) -> Result<T, CannotEvaluate> {
        value.ok_or_else(|| CannotEvaluate(format!("parameter '{name}' is not set")))
    }
}

/// What a trigger found: messages, each with an id of its own or none.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) findings: Vec<(Option<String>, String)>,
    pub(crate) dropped: usize,
}

impl Sink {
    /// A finding whose id follows from its message.
    pub(crate) fn fire(&mut self, message: impl Into<String>) {
        self.push(None, message.into());
    }

    /// A finding with an id of its own.
    pub(crate) fn fire_as(&mut self, id: impl Into<String>, message: impl Into<String>) {
        self.push(Some(id.into()), message.into());
    }

    fn push(&mut self, id: Option<String>, message: String) {
        if self.findings.len() < FINDINGS_PER_RULE_MAX {
            self.findings.push((id, message));
        } else {
            self.dropped += 1;
        }
    }
}

/// The gate of this name, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Gate> {
    GATES.iter().find(|gate| gate.name.eq_ignore_ascii_case(name))
}

impl Gate {
    /// The trigger of this name, in any case and with the words of version 1.
    #[must_use]
    pub fn trigger(&self, name: &str) -> Option<&'static Trigger> {
        let name = modern(name);
        self.triggers.iter().find(|trigger| trigger.name.eq_ignore_ascii_case(&name))
    }
}

impl Trigger {
    /// The parameter of this name, in any case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }
}

/// Replaces the two words that version 2 of documents renamed.
#[must_use]
pub fn modern(word: &str) -> Cow<'_, str> {
    let lower = word.to_ascii_lowercase();
    if lower.contains("blacklist") || lower.contains("whitelist") {
        return Cow::Owned(
            lower.replace("blacklist", "denylist").replace("whitelist", "allowlist"),
        );
    }
    Cow::Borrowed(word)
}

impl Validator {
    /// Name in the description of the policy language.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Text | Self::Octal => "TypeString",
            Self::Boolean => "BooleanString",
            Self::Integer(_) => "IntegerString",
            Self::Float => "FloatString",
            Self::Words(_) => "EnumString",
            Self::List => "CommaDelimitedStringList",
            Self::Numbers => "CommaDelimitedStringOfNumbers",
            Self::Regex => "RegexString",
            Self::Linked(_) => "LinkedString",
        }
    }

    /// Whether `value` is acceptable. `other` looks up another parameter of the same rule.
    ///
    /// # Errors
    /// Why it is not.
    pub fn accept<'a>(
        self,
        value: &str,
        other: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(), String> {
        let expect =
            |ok: bool, what: &str| if ok { Ok(()) } else { Err(format!("expected {what}")) };
        match self {
            Self::Text => Ok(()),
            Self::Boolean => expect(
                value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
                "true or false",
            ),
            Self::Integer(least) => expect(
                value.parse::<i64>().is_ok_and(|number| number >= least),
                &format!("a whole number, at least {least}"),
            ),
            Self::Float => {
                expect(value.parse::<f64>().is_ok_and(f64::is_finite), "a number such as 7.5")
            }
            Self::Words(words) => expect(
                words.iter().any(|word| word.eq_ignore_ascii_case(&modern(value))),
                &format!("one of {}", words.join(" ")),
            ),
            Self::List => expect(!crate::params::split_list(value).is_empty(), "texts with commas"),
            Self::Numbers => {
                let items = crate::params::split_list(value);
                let ok = !items.is_empty() && items.iter().all(|item| item.parse::<u64>().is_ok());
                expect(ok, "whole numbers separated by commas")
            }
            Self::Regex => start_regex(value).map(|_| ()),
            Self::Octal => {
                expect(files::parse_mode(value).is_some(), "permission bits in octal, such as 0644")
            }
            Self::Linked(name) => metadata::accept_value(other(name).unwrap_or(""), value),
        }
    }
}
