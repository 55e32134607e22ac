//! A latency histogram with logarithmic buckets.
//!
//! Values are nanoseconds. Each power of two is split into 64 equal buckets, so a reported
//! percentile is at most 1/64 (1.6 %) above the true one and never below it. Recording is a few
//! instructions and never allocates. Used by the request/reply and open-loop rows. Absent:
//! correction for coordinated omission; the open-loop row measures from the scheduled time
//! instead.

/// Buckets per power of two, as a power of two.
const SUB_BITS: u32 = 6;
const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// Values below `SUB_BUCKETS` have a bucket each; each of the other powers of two has 64.
const BUCKETS: usize = SUB_BUCKETS * (64 - SUB_BITS as usize + 1);

/// Counts of values by size.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty histogram covering all of `u64`.
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }

    /// Counts one value.
    pub(crate) fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket_of(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// How many values were above `nanos`, to the precision of a bucket.
    pub(crate) fn above(&self, nanos: u64) -> u64 {
        let from = bucket_of(nanos) + 1;
        self.counts.get(from..).unwrap_or_default().iter().sum()
    }

    /// The upper end of the bucket that holds the value at `percent` (0 to 100) of the sorted
    /// values. `None` when nothing was recorded.
    pub(crate) fn percentile(&self, percent: f64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let wanted = (self.total as f64 * percent / 100.0).ceil() as u64;
        let wanted = wanted.clamp(1, self.total);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(upper_end(bucket));
            }
        }
        None
    }
}

fn bucket_of(value: u64) -> usize {
    if value < SUB_BUCKETS as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - SUB_BITS;
    let within = (value >> shift) as usize - SUB_BUCKETS;
    SUB_BUCKETS * (shift as usize + 1) + within
}

fn upper_end(bucket: usize) -> u64 {
    if bucket < SUB_BUCKETS {
        return bucket as u64;
    }
    let shift = (bucket / SUB_BUCKETS - 1) as u32;
    let lower = ((bucket % SUB_BUCKETS + SUB_BUCKETS) as u64) << shift;
    lower + ((1u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_within_the_error() {
        let edges = (0..64).flat_map(|bit| {
            let power = 1u64 << bit;
            [power - 1, power, power + power / 3]
        });
        for value in edges.chain([u64::MAX, 12_345_678_901]) {
            let end = upper_end(bucket_of(value));
            assert!(end >= value, "{value} above its bucket end {end}");
            assert!(end - value <= value / 64, "{value} reported as {end}");
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap() {
        for bucket in 1..BUCKETS {
            assert_eq!(bucket_of(upper_end(bucket - 1) + 1), bucket);
            assert_eq!(bucket_of(upper_end(bucket)), bucket);
        }
        assert_eq!(upper_end(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn percentiles_of_a_known_sequence() {
        let mut histogram = Histogram::new();
        for value in 1..=10_000u64 {
            histogram.record(value * 1_000);
        }
        for (percent, exact) in [(50.0, 5_000_000u64), (99.0, 9_900_000), (99.9, 9_990_000)] {
            let reported = histogram.percentile(percent).unwrap_or(0);
            assert!(
                reported >= exact && reported <= exact + exact / 64,
                "{percent}: {reported}"
            );
        }
    }

    #[test]
    fn an_empty_histogram_has_no_percentile() {
        assert_eq!(Histogram::new().percentile(50.0), None);
    }

    #[test]
    fn the_extremes_of_one_value_are_that_value() {
        let mut histogram = Histogram::new();
        histogram.record(42);
        assert_eq!(histogram.percentile(0.0), Some(42));
        assert_eq!(histogram.percentile(100.0), Some(42));
    }
}
