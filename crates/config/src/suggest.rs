//! The nearest known name to a mistyped one.
//!
//! Owns the edit distance behind "did you mean". Bounded: long names are not compared, and neither
//! are more than some.

/// Longer names are not compared.
const MAX_CHARS: usize = 64;
/// Further names are not compared.
const MAX_KNOWN: usize = 1000;

/// The known name nearest to `name`, if one is near: at most a third of its letters differ.
pub(crate) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name: Vec<char> = name.to_lowercase().chars().take(MAX_CHARS + 1).collect();
    if name.len() > MAX_CHARS {
        return None;
    }
    let allowed = (name.len() / 3).max(1);
    known
        .take(MAX_KNOWN)
        .filter(|candidate| candidate.len() <= MAX_CHARS)
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i.max(j);
                continue;
            }
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["port", "max_payload", "max_pending", "tls"];
        for (name, want) in [
            ("prot", Some("port")),
            ("Max_Paylod", Some("max_payload")),
            ("max_pendign", Some("max_pending")),
            ("ssl", None),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), want, "{name}");
        }
    }
}
