//! How large a policy may be. Over a limit a document is refused by a validation problem that
//! names the limit; results that are cut say so in the evaluation's problems.

/// Bytes of a policy document: the largest documents seen in use are about 300 KB of allowlist.
pub const POLICY_BYTES_MAX: usize = 2 << 20;
/// Rules in all rule sets together: each runs over every package and file of an image.
pub const RULES_MAX: usize = 2_000;
/// Parameters of one rule: no trigger has more than thirty.
pub const PARAMS_MAX: usize = 64;
/// Rule sets, allowlists, mappings, listed images: each.
pub const OBJECTS_MAX: usize = 2_000;
/// Items in all allowlists together.
pub const ALLOWLIST_ITEMS_MAX: usize = 20_000;
/// Allowlist items with a wildcard: these are tried one by one for every finding.
pub const ALLOWLIST_PATTERNS_MAX: usize = 2_000;
/// Bytes of an id, a name or any other single text of a document.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// Bytes of one parameter value: a comma-separated list of a few thousand vulnerability ids.
pub const PARAM_BYTES_MAX: usize = 64 << 10;
/// Bytes of a regular expression.
pub const REGEX_BYTES_MAX: usize = 4 << 10;
/// Bytes of a compiled regular expression: bounds what counted repetitions can make of it.
pub const REGEX_PROGRAM_BYTES_MAX: usize = 1 << 20;
/// Findings kept of one rule; more are counted and reported.
pub const FINDINGS_PER_RULE_MAX: usize = 10_000;
/// Problems kept of one evaluation; more are counted and reported.
pub const PROBLEMS_MAX: usize = 500;
/// Validation problems kept of one document; more are counted and reported.
pub const VALIDATION_PROBLEMS_MAX: usize = 200;
/// Lines of a dockerfile that are looked at; more are reported.
pub const DOCKERFILE_LINES_MAX: usize = 20_000;
