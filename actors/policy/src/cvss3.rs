//! Exploitability and impact of a CVSS 3.0 or 3.1 vector (FIRST, CVSS 3.1 specification §7.1 and
//! §7.4). Advisory records carry the vector and the base score only.

/// Exploitability and impact sub-scores, rounded to one decimal as they are published.
/// `None` when the vector lacks a base metric or has an unknown value.
pub(crate) fn sub_scores(vector: &str) -> Option<(f64, f64)> {
    let metric = |name: &str| {
        vector.split('/').find_map(|part| part.split_once(':').filter(|(n, _)| *n == name))
    };
    let value = |name: &str| metric(name).map(|(_, value)| value);
    let changed = match value("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let attack_vector = match value("AV")? {
        "N" => 0.85,
        "A" => 0.62,
        "L" => 0.55,
        "P" => 0.2,
        _ => return None,
    };
    let complexity = match value("AC")? {
        "L" => 0.77,
        "H" => 0.44,
        _ => return None,
    };
    let privileges = match (value("PR")?, changed) {
        ("N", _) => 0.85,
        ("L", false) => 0.62,
        ("L", true) => 0.68,
        ("H", false) => 0.27,
        ("H", true) => 0.5,
        _ => return None,
    };
    let interaction = match value("UI")? {
        "N" => 0.85,
        "R" => 0.62,
        _ => return None,
    };
    let loss = |name| match value(name)? {
        "H" => Some(0.56),
        "L" => Some(0.22),
        "N" => Some(0.0),
        _ => None,
    };
    let kept: f64 = (1.0 - loss("C")?) * (1.0 - loss("I")?) * (1.0 - loss("A")?);
    let base: f64 = 1.0 - kept;
    let impact =
        if changed { 7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15) } else { 6.42 * base };
    let exploitability = 8.22 * attack_vector * complexity * privileges * interaction;
    let round = |score: f64| (score.max(0.0) * 10.0).round() / 10.0;
    Some((round(exploitability), round(impact)))
}

#[cfg(test)]
mod tests {
    use super::sub_scores;

    #[test]
    fn published_sub_scores() {
        // CVE-2021-44228 and CVE-2014-0160 as NVD publishes them.
        let log4shell = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H";
        assert_eq!(sub_scores(log4shell), Some((3.9, 6.0)));
        let heartbleed = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
        assert_eq!(sub_scores(heartbleed), Some((3.9, 3.6)));
    }

    #[test]
    fn broken_vectors_have_none() {
        for vector in ["", "CVSS:3.1", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"] {
            assert_eq!(sub_scores(vector), None, "{vector}");
        }
    }
}
