//! Summary statistics over the rounds of one metric.
//!
//! Invariant: every value handed in is finite (the callers divide by counts they have checked).
//! Absent: means and deviations. On a shared machine the noise is one-sided, so only the median
//! and the extremes are reported.

/// The middle of `values`, or the mean of the two middle ones. `None` when there are none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted.get(middle.wrapping_sub(1)).copied()?;
    Some((lower + upper) / 2.0)
}

/// Smallest and largest of `values`. `None` when there are none.
pub(crate) fn extremes(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

/// `ours / theirs`, or `None` when the divisor is zero or the result is not a finite number.
pub(crate) fn ratio(ours: f64, theirs: f64) -> Option<f64> {
    let ratio = ours / theirs;
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_and_no_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn one_wild_round_does_not_move_the_median() {
        assert_eq!(median(&[1.0, 1.1, 900.0, 0.9, 1.0]), Some(1.0));
    }

    #[test]
    fn extremes_are_the_ends() {
        assert_eq!(extremes(&[2.0, -1.0, 5.0]), Some((-1.0, 5.0)));
        assert_eq!(extremes(&[]), None);
    }

    #[test]
    fn a_ratio_needs_a_divisor() {
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(0.0, 0.0), None);
    }
}
