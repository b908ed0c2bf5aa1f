//! Gates that documents may use but whose data is not collected yet. Their rules are validated
//! like any other; evaluating one says that it cannot be evaluated.

use super::{Check, Gate, Param, RestsOn, State, Trigger, Validator};

const fn param(
    name: &'static str,
    description: &'static str,
    example: &'static str,
    required: bool,
    validator: Validator,
) -> Param {
    Param { name, description, example, required, validator }
}

const fn trigger(
    name: &'static str,
    description: &'static str,
    params: &'static [Param],
    lacks: &'static str,
) -> Trigger {
    Trigger { name, description, params, rests_on: RestsOn::Nothing, check: Check::Never(lacks) }
}

const fn gate(name: &'static str, description: &'static str, triggers: &'static [Trigger]) -> Gate {
    Gate { name, description, state: State::Active, triggers }
}

const NO_RETRIEVED: &str = "files are not retrieved from images";
const NO_REGISTRY_FEED: &str = "there is no feed of package registries";
const NO_NAME_LISTS: &str = "packages of this kind are not judged by name";
const NO_LICENSE_RULES: &str = "licences are not judged";
const NO_SECRET_SEARCH: &str = "files are not searched for secrets";
const NO_MALWARE_SCAN: &str = "images are not scanned for malware";
const NO_ANCESTRY: &str = "ancestors of images are not determined";
const NO_DRIFT: &str = "SBOMs of tags and sources are not compared";

const NAME: Param = param("name", "Name of the package.", "lodash", true, Validator::Text);
const VERSION: Param = param("version", "Only at this version.", "4.0.1", false, Validator::Text);
const PACKAGE_TYPE: Param =
    param("package_type", "Only packages of this type.", "rpm", false, Validator::Text);

/// Gate `passwd_file`.
pub const PASSWD_FILE: Gate = gate(
    "passwd_file",
    "Judges the entries of /etc/passwd.",
    &[
        trigger(
            "content_not_available",
            "Fires when /etc/passwd was not retrieved.",
            &[],
            NO_RETRIEVED,
        ),
        trigger(
            "denylist_usernames",
            "Fires for each listed user name.",
            &[param("user_names", "User names.", "daemon,ftp", true, Validator::List)],
            NO_RETRIEVED,
        ),
        trigger(
            "denylist_userids",
            "Fires for each listed user id.",
            &[param("user_ids", "User ids.", "0,1", true, Validator::Numbers)],
            NO_RETRIEVED,
        ),
        trigger(
            "denylist_groupids",
            "Fires for each listed group id.",
            &[param("group_ids", "Group ids.", "999,20", true, Validator::Numbers)],
            NO_RETRIEVED,
        ),
        trigger(
            "denylist_shells",
            "Fires for each listed shell.",
            &[param("shells", "Shells.", "/bin/bash,/bin/zsh", true, Validator::List)],
            NO_RETRIEVED,
        ),
        trigger(
            "denylist_full_entry",
            "Fires when a line is exactly the entry.",
            &[param("entry", "Line.", "ftp:x:14:50:FTP:/:/bin/sh", true, Validator::Text)],
            NO_RETRIEVED,
        ),
    ],
);

const LICENSES_PARAM: Param =
    param("licenses", "Licences.", "GPLv2+,GPL-3+", true, Validator::List);

/// Gate `licenses`.
pub const LICENSES: Gate = gate(
    "licenses",
    "Judges the licences of packages.",
    &[
        trigger(
            "denylist_exact_match",
            "Fires when a package has one of the licences.",
            &[LICENSES_PARAM, PACKAGE_TYPE],
            NO_LICENSE_RULES,
        ),
        trigger(
            "denylist_partial_match",
            "Fires when a package's licence contains one of the texts.",
            &[LICENSES_PARAM, PACKAGE_TYPE],
            NO_LICENSE_RULES,
        ),
    ],
);

/// Gate `ruby_gems`.
pub const RUBY_GEMS: Gate = gate(
    "ruby_gems",
    "Judges Ruby gems.",
    &[
        trigger(
            "newer_version_found_in_feed",
            "Fires for each gem that is not the latest.",
            &[],
            NO_REGISTRY_FEED,
        ),
        trigger(
            "not_found_in_feed",
            "Fires for each gem that the feed does not know.",
            &[],
            NO_REGISTRY_FEED,
        ),
        trigger(
            "version_not_found_in_feed",
            "Fires for each gem at a version that the feed does not know.",
            &[],
            NO_REGISTRY_FEED,
        ),
        trigger("denylist", "Fires when the gem is installed.", &[NAME, VERSION], NO_NAME_LISTS),
        trigger(
            "feed_data_unavailable",
            "Fires when there are gems and no feed.",
            &[],
            NO_REGISTRY_FEED,
        ),
    ],
);

/// Gate `npms`.
pub const NPMS: Gate = gate(
    "npms",
    "Judges Node packages.",
    &[
        trigger(
            "newer_version_in_feed",
            "Fires for each package that is not the latest.",
            &[],
            NO_REGISTRY_FEED,
        ),
        trigger(
            "unknown_in_feeds",
            "Fires for each package that the feed does not know.",
            &[],
            NO_REGISTRY_FEED,
        ),
        trigger(
            "version_not_in_feeds",
            "Fires for each package at a version that the feed does not know.",
            &[],
            NO_REGISTRY_FEED,
        ),
        trigger(
            "denylisted_name_version",
            "Fires when the package is installed.",
            &[NAME, VERSION],
            NO_NAME_LISTS,
        ),
        trigger(
            "feed_data_unavailable",
            "Fires when there are packages and no feed.",
            &[],
            NO_REGISTRY_FEED,
        ),
    ],
);

/// Gate `secret_scans`.
pub const SECRET_SCANS: Gate = gate(
    "secret_scans",
    "Judges secrets found in files.",
    &[trigger(
        "content_regex_checks",
        "Fires for each secret, or when there is none.",
        &[
            param(
                "content_regex_name",
                "Name of the expression.",
                "AWS_ACCESS_KEY",
                false,
                Validator::Text,
            ),
            param(
                "filename_regex",
                "Only files at matching paths.",
                "/etc/.*",
                false,
                Validator::Regex,
            ),
            param(
                "match_type",
                "Whether finding or not finding fires.",
                "found",
                false,
                Validator::Words(&["found", "notfound"]),
            ),
        ],
        NO_SECRET_SEARCH,
    )],
);

/// Gate `retrieved_files`.
pub const RETRIEVED_FILES: Gate = gate(
    "retrieved_files",
    "Judges the content of retrieved files.",
    &[
        trigger(
            "content_not_available",
            "Fires when the file was not retrieved.",
            &[param("path", "Absolute path.", "/etc/httpd.conf", true, Validator::Text)],
            NO_RETRIEVED,
        ),
        trigger(
            "content_regex",
            "Fires when a word of the file matches, or none does.",
            &[
                param("path", "Absolute path.", "/etc/httpd.conf", true, Validator::Text),
                param("regex", "Regular expression.", "SSLEnabled=1", true, Validator::Regex),
                param(
                    "check",
                    "Whether a match or its absence fires.",
                    "match",
                    true,
                    Validator::Words(&["match", "no_match"]),
                ),
            ],
            NO_RETRIEVED,
        ),
    ],
);

/// Gate `malware`.
pub const MALWARE: Gate = gate(
    "malware",
    "Judges the results of malware scans.",
    &[
        trigger("scans", "Fires for each hit of a scanner.", &[], NO_MALWARE_SCAN),
        trigger("scan_not_run", "Fires when no scan ran.", &[], NO_MALWARE_SCAN),
    ],
);

/// Gate `ancestry`.
pub const ANCESTRY: Gate = gate(
    "ancestry",
    "Judges the images that an image was built on.",
    &[
        trigger(
            "allowed_base_image_digest",
            "Fires when the base image is another one.",
            &[param("base_digest", "Digest of the base image.", "sha256:…", true, Validator::Text)],
            NO_ANCESTRY,
        ),
        trigger(
            "allowed_base_image_tag",
            "Fires when the base image has another tag.",
            &[param(
                "base_tag",
                "Tag of the base image.",
                "docker.io/library/debian:12",
                true,
                Validator::Text,
            )],
            NO_ANCESTRY,
        ),
        trigger(
            "denylist_ancestor_image_digest",
            "Fires when this image is an ancestor.",
            &[param(
                "ancestor_digest",
                "Digest of the ancestor.",
                "sha256:…",
                true,
                Validator::Text,
            )],
            NO_ANCESTRY,
        ),
        trigger(
            "denylist_ancestor_image_tag",
            "Fires when an image with this tag is an ancestor.",
            &[param(
                "ancestor_tag",
                "Tag of the ancestor.",
                "docker.io/library/debian:10",
                true,
                Validator::Text,
            )],
            NO_ANCESTRY,
        ),
    ],
);

/// Gate `tag_drift`.
pub const TAG_DRIFT: Gate = gate(
    "tag_drift",
    "Judges changes since the last image with the same tag.",
    &[
        trigger("packages_added", "Fires for each new package.", &[PACKAGE_TYPE], NO_DRIFT),
        trigger("packages_removed", "Fires for each lost package.", &[PACKAGE_TYPE], NO_DRIFT),
        trigger("packages_modified", "Fires for each changed package.", &[PACKAGE_TYPE], NO_DRIFT),
    ],
);

/// Gate `image_source_drift`.
pub const IMAGE_SOURCE_DRIFT: Gate = Gate {
    name: "image_source_drift",
    description: "Judges differences between an image and the sources it was built from.",
    state: State::Deprecated,
    triggers: &[
        trigger("package_downgraded", "Fires for each lower version.", &[PACKAGE_TYPE], NO_DRIFT),
        trigger("package_removed", "Fires for each lost package.", &[PACKAGE_TYPE], NO_DRIFT),
        trigger("no_related_sources", "Fires when no sources are known.", &[], NO_DRIFT),
    ],
};

/// Gate `stig`. The contract's sources name the gate but not its triggers, so it has none yet.
pub const STIG: Gate = gate("stig", "Judges STIG evaluations.", &[]);
