//! One finding per package and vulnerability, however many records describe it.
//!
//! Records that share an id or an alias are one cluster. The distribution's record speaks for it,
//! else the ecosystem's own database, else GHSA, else a CVE record; the others are named as
//! related and lend their severities.

use std::collections::{BTreeMap, BTreeSet};

use kedge_artifact::advisory::{AdvisorySource, Epss, Fix, FixState, Link, Scope};
use kedge_artifact::finding::{Finding, Why};
use kedge_artifact::package::Package;
use kedge_version::Scheme;

use crate::MatchOptions;
use crate::examine::{Examined, Hit};
use crate::ids::{self, Ids};
use crate::limits::DETAILS_BYTES;
use crate::rating::Ratings;
use crate::severity;

/// A finding before the suppression rules have spoken.
pub(crate) struct Draft {
    pub(crate) finding: Finding,
    /// The names that make it the same vulnerability as another record.
    pub(crate) same: Ids,
    /// Every record of the cluster says that the vendor has not decided.
    pub(crate) undecided: bool,
}

/// The findings of one package, unsorted but in a fixed order.
pub(crate) fn drafts(
    package: &Package,
    examined: &Examined,
    source: &dyn AdvisorySource,
    options: &MatchOptions,
    ratings: &mut Ratings<'_>,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let decided = clusters(&examined.hits).into_iter().map(|cluster| (cluster, false));
    let open = clusters(&examined.undecided).into_iter().map(|cluster| (cluster, true));
    for (cluster, undecided) in decided.chain(open) {
        let draft = draft(package, &cluster, &examined.channel_hits, undecided);
        // What one record leaves open another has decided.
        if undecided && !draft.same.is_disjoint(&taken) {
            continue;
        }
        taken.extend(draft.same.iter().cloned());
        drafts.push(draft);
    }
    if options.by_cve {
        drafts = by_cve(drafts);
    }
    for draft in &mut drafts {
        ratings.lend(&mut draft.finding);
        let cves = &draft.finding.cves;
        draft.finding.epss = cves.iter().filter_map(|cve| source.epss(cve)).max_by(worse);
        draft.finding.kev = cves.iter().find_map(|cve| source.kev(cve));
    }
    drafts
}

fn worse(a: &Epss, b: &Epss) -> std::cmp::Ordering {
    a.score.total_cmp(&b.score)
}

/// Groups hits that share an id, each group sorted by who speaks for it.
fn clusters(hits: &[Hit]) -> Vec<Vec<&Hit>> {
    let mut group_of_id: BTreeMap<String, usize> = BTreeMap::new();
    let mut parent: Vec<usize> = (0..hits.len()).collect();
    for (index, hit) in hits.iter().enumerate() {
        for id in ids::same(&hit.vulnerability) {
            let other = *group_of_id.entry(id).or_insert(index);
            let (a, b) = (root(&mut parent, index), root(&mut parent, other));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Hit>> = BTreeMap::new();
    for (index, hit) in hits.iter().enumerate() {
        groups.entry(root(&mut parent, index)).or_default().push(hit);
    }
    let mut groups: Vec<Vec<&Hit>> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by(|a, b| {
            let key = |hit: &Hit| (authority(hit), hit.vulnerability.id.clone(), hit.range.clone());
            key(a).cmp(&key(b))
        });
    }
    groups.sort_by(|a, b| a[0].vulnerability.id.cmp(&b[0].vulnerability.id));
    groups
}

fn root(parent: &mut [usize], mut index: usize) -> usize {
    while parent[index] != index {
        parent[index] = parent[parent[index]];
        index = parent[index];
    }
    index
}

/// Who speaks for a cluster, the lowest first.
fn authority(hit: &Hit) -> u8 {
    match &hit.lookup.scope {
        Scope::Distro { .. } => 0,
        Scope::Ecosystem { .. } => match hit.vulnerability.id.split('-').next().unwrap_or("") {
            "GHSA" => 2,
            "CVE" => 3,
            _ => 1,
        },
    }
}

fn draft(package: &Package, cluster: &[&Hit], channel_hits: &[Hit], undecided: bool) -> Draft {
    // `clusters` makes no empty group.
    let first = cluster[0];
    let record = &first.vulnerability;
    let mut same = Ids::new();
    let mut cves = Ids::new();
    let mut severities = Vec::new();
    let mut references: Vec<Link> = Vec::new();
    let mut related = Ids::new();
    for hit in cluster {
        same.extend(ids::same(&hit.vulnerability));
        cves.extend(ids::cves(&hit.vulnerability));
        severities.extend(hit.vulnerability.severities.iter().cloned());
        for link in &hit.vulnerability.references {
            if !references.iter().any(|known| known.url == link.url) {
                references.push(link.clone());
            }
        }
        related.insert(hit.vulnerability.id.clone());
    }
    related.remove(&record.id);
    references.sort_by_key(|link| !link.kind.eq_ignore_ascii_case("advisory"));
    let rank = severity::decide(&mut severities);
    let text = |pick: fn(&Hit) -> &str| {
        cluster.iter().map(|hit| pick(hit)).find(|text| !text.is_empty()).unwrap_or("").to_owned()
    };
    let lookup = &first.lookup;
    let finding = Finding {
        vulnerability: record.id.clone(),
        aliases: same.iter().filter(|id| **id != record.id).cloned().collect(),
        cves: cves.into_iter().collect(),
        package: package.id.clone(),
        package_kind: package.kind,
        package_name: package.name.clone(),
        package_version: package.version.clone(),
        purl: package.purl.clone(),
        path: package.locations.first().map(|found| found.path.clone()).unwrap_or_default(),
        severity: rank,
        severities,
        fix: fix(cluster, channel_hits, &same),
        scope: lookup.scope.clone(),
        driver: record.driver.clone(),
        summary: text(|hit| hit.vulnerability.summary.as_str()),
        details: cut(text(|hit| hit.vulnerability.details.as_str())),
        references,
        published: cluster.iter().find_map(|hit| hit.vulnerability.published),
        epss: None,
        kev: None,
        why: Why {
            rule: lookup.rule,
            searched_name: lookup.name.clone(),
            compared_version: lookup.version.clone(),
            scheme: lookup.scheme.to_string(),
            range: first.range.clone(),
            record: record.id.clone(),
            related: related.into_iter().collect(),
        },
    };
    Draft { finding, same, undecided }
}

/// The beginning of a long text: thousands of findings may repeat it.
fn cut(mut text: String) -> String {
    const MARK: char = '…';
    if text.len() > DETAILS_BYTES {
        text.truncate(text.floor_char_boundary(DETAILS_BYTES - MARK.len_utf8()));
        text.push(MARK);
        text.shrink_to_fit();
    }
    text
}

/// The speaker's fix; a related record's or a subscribed channel's when the speaker has none.
fn fix(cluster: &[&Hit], channel_hits: &[Hit], same: &Ids) -> Fix {
    let own = fix_of(cluster[0]);
    if own.state == FixState::Fixed {
        return own;
    }
    let channel = channel_hits
        .iter()
        .filter(|hit| !ids::spoken_of(&hit.vulnerability).is_disjoint(same))
        .map(fix_of)
        .find(|fix| fix.state == FixState::Fixed);
    if let Some(fix) = channel {
        return fix;
    }
    // A distribution's "will not fix" stands, whatever upstream did; silence does not.
    if own.state != FixState::Unknown {
        return own;
    }
    cluster.iter().map(|hit| fix_of(hit)).find(|fix| fix.state != FixState::Unknown).unwrap_or(own)
}

/// A row's fix with the versions that help: newer than the installed one, the end of the range that
/// matched first.
fn fix_of(hit: &Hit) -> Fix {
    let mut fix = hit.affected().fix.clone();
    let installed = hit.lookup.version.as_str();
    let scheme: Scheme = hit.lookup.scheme;
    // Versions that cannot be compared are kept: they are the vendor's own words.
    fix.versions.retain(|version| scheme.compare(version, installed).map_or(true, |o| o.is_gt()));
    if let Some(fixed) = &hit.fixed {
        fix.versions.retain(|version| version != fixed);
        fix.versions.insert(0, fixed.clone());
        if matches!(fix.state, FixState::Unknown | FixState::NotFixed) {
            fix.state = FixState::Fixed;
        }
    }
    fix
}

/// Splits records of several CVEs and shows CVE ids; the first finding of a CVE wins.
fn by_cve(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut out: Vec<Draft> = Vec::new();
    let mut seen = BTreeSet::new();
    for draft in drafts {
        if draft.finding.cves.is_empty() {
            out.push(draft);
            continue;
        }
        let single = draft.finding.cves.len() == 1;
        for cve in &draft.finding.cves {
            if !seen.insert(cve.clone()) {
                continue;
            }
            let mut finding = draft.finding.clone();
            let mut aliases: Ids = match single {
                true => draft.same.clone(),
                false => Ids::from([finding.vulnerability.clone()]),
            };
            aliases.remove(cve);
            finding.vulnerability = cve.clone();
            finding.aliases = aliases.into_iter().collect();
            finding.cves = vec![cve.clone()];
            let mut same = draft.same.clone();
            same.insert(cve.clone());
            out.push(Draft { finding, same, undecided: draft.undecided });
        }
    }
    out
}
