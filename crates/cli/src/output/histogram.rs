//! How values are spread: a histogram of fixed size with better than one percent of error.
//!
//! Each power of two is divided into 128 equal buckets, so a value is off by less than 1/128 and
//! recording one is an index computation, without allocation. Minimum, maximum and mean are exact.

/// Bits of a value that are kept below its highest.
const PRECISION: u32 = 7;
const PER_POWER: usize = 1 << PRECISION;
const BUCKETS: usize = PER_POWER * (65 - PRECISION as usize);

/// Counts of values, by size.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    squares: f64,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: vec![0; BUCKETS],
            count: 0,
            sum: 0,
            squares: 0.0,
            min: u64::MAX,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts a value.
    pub(crate) fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.squares += (value as f64) * (value as f64);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds another histogram's counts.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(count, more)| *count += more);
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values were counted.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value; 0 without any.
    pub(crate) fn min(&self) -> u64 {
        if self.count == 0 { 0 } else { self.min }
    }

    /// The largest value.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The mean; 0 without values.
    pub(crate) fn mean(&self) -> u64 {
        u64::try_from(self.sum / u128::from(self.count.max(1))).unwrap_or(u64::MAX)
    }

    /// The standard deviation; 0 without values.
    pub(crate) fn deviation(&self) -> f64 {
        let count = self.count.max(1) as f64;
        let mean = self.sum as f64 / count;
        (self.squares / count - mean * mean).max(0.0).sqrt()
    }

    /// The value that `percent` of the values are not above.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let wanted = (self.count as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return upper(at).clamp(self.min(), self.max);
            }
        }
        self.max
    }

    /// Counts in at most `rows` ranges of equal ratio between minimum and the 99.9th percentile:
    /// the upper end of each range and its count; what is above is in the last.
    pub(crate) fn ranges(&self, rows: usize) -> Vec<(u64, u64)> {
        if self.count == 0 || rows == 0 {
            return Vec::new();
        }
        let low = self.min().max(1) as f64;
        let high = (self.percentile(99.9).max(1) as f64).max(low * 1.01);
        let step = (high / low).powf(1.0 / rows as f64);
        let mut ranges: Vec<(u64, u64)> = (1..=rows)
            .map(|row| ((low * step.powi(row as i32)).ceil() as u64, 0))
            .collect();
        // Values are whole: close together, several ends are the same one.
        ranges.dedup();
        for (at, count) in self
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            let value = upper(at);
            let fits = ranges
                .iter()
                .position(|(end, _)| value <= *end)
                .unwrap_or(ranges.len() - 1);
            if let Some(range) = ranges.get_mut(fits) {
                range.1 += count;
            }
        }
        ranges
    }
}

fn bucket(value: u64) -> usize {
    if value < PER_POWER as u64 {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - PRECISION;
    let within = (value >> shift) as usize - PER_POWER;
    (shift as usize + 1) * PER_POWER + within
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < PER_POWER {
        return bucket as u64;
    }
    let shift = (bucket / PER_POWER - 1) as u32;
    let within = (bucket % PER_POWER + PER_POWER) as u64;
    (within << shift) + ((1_u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close() {
        let mut histogram = Histogram::default();
        (1..=100_000_u64).for_each(|value| histogram.record(value));
        for percent in [1.0, 50.0, 90.0, 99.0, 99.9] {
            let exact = percent * 1000.0;
            let error = (histogram.percentile(percent) as f64 - exact).abs() / exact;
            assert!(error < 0.01, "{percent}: {error}");
        }
        assert_eq!(
            (histogram.min(), histogram.max(), histogram.mean()),
            (1, 100_000, 50_000)
        );
        let total: u64 = histogram.ranges(10).iter().map(|(_, count)| count).sum();
        assert_eq!(total, 100_000);
    }

    #[test]
    fn every_value_has_a_bucket() {
        for value in [
            0,
            1,
            127,
            128,
            255,
            256,
            u64::from(u32::MAX),
            u64::MAX / 2,
            u64::MAX,
        ] {
            let at = bucket(value);
            assert!(at < BUCKETS && upper(at) >= value, "{value}");
            assert!(at == 0 || upper(at - 1) < value, "{value}");
        }
    }
}
