//! Sets of names of one vulnerability.

use std::collections::BTreeSet;

use kedge_artifact::advisory::Vulnerability;

/// Ids of vulnerabilities, sorted.
pub(crate) type Ids = BTreeSet<String>;

/// The names under which a record is the same vulnerability as another: its id, its aliases, and
/// what it was made from when that is a single one (`UBUNTU-CVE-…` of one CVE). A record that groups
/// several CVEs is none of them alone.
pub(crate) fn same(record: &Vulnerability) -> Ids {
    let mut ids: Ids = record.aliases.iter().cloned().collect();
    ids.insert(record.id.clone());
    if let [single] = record.upstream.as_slice() {
        ids.insert(single.clone());
    }
    ids
}

/// Every id that a record speaks about: [`same`] and everything that it groups.
pub(crate) fn spoken_of(record: &Vulnerability) -> Ids {
    let mut ids = same(record);
    ids.extend(record.upstream.iter().cloned());
    ids
}

/// The CVE ids that a record speaks about.
pub(crate) fn cves(record: &Vulnerability) -> Ids {
    spoken_of(record).into_iter().filter(|id| is_cve(id)).collect()
}

pub(crate) fn is_cve(id: &str) -> bool {
    id.starts_with("CVE-")
}

/// True when the statement about `about` settles a finding: it names the finding itself, or every
/// CVE that the finding groups.
pub(crate) fn settles(about: &Ids, same: &Ids, cves: &Ids) -> bool {
    !about.is_disjoint(same) || (!cves.is_empty() && cves.is_subset(about))
}
