//! What was measured, as text, as a chart and as CSV.

use std::io::Write;
use std::path::Path;

use super::job::Sample;
use crate::commands::shared::template;
use crate::error::{Context, Result};
use crate::output::histogram::Histogram;
use crate::output::{chart, number};
use crate::say;

/// Rows of the chart of latencies.
const CHART_ROWS: usize = 16;

/// Cells of its longest bar.
const CHART_WIDTH: usize = 50;

impl Sample {
    fn seconds(&self) -> f64 {
        self.ended
            .saturating_duration_since(self.started)
            .as_secs_f64()
            .max(1e-9)
    }

    fn msgs_per_sec(&self) -> f64 {
        self.msgs as f64 / self.seconds()
    }

    fn bytes_per_sec(&self) -> f64 {
        self.bytes as f64 / self.seconds()
    }
}

/// Prints the results.
pub(super) fn print(label: &str, samples: &[Sample], with_chart: bool) {
    say!("{}", text(label, samples));
    let all = merged(samples);
    if with_chart && all.count() > 0 {
        say!("{}", latency_chart(&all));
    }
}

fn text(label: &str, samples: &[Sample]) -> String {
    if let [sample] = samples {
        return format!("\nNATS {label} stats: {}\n", rate(sample));
    }
    let mut out = String::from("\n");
    for (at, sample) in samples.iter().enumerate() {
        let msgs = number::grouped(sample.msgs);
        out.push_str(&format!("  [{}] {} ({msgs} msgs)\n", at + 1, rate(sample)));
    }
    let started = samples.iter().map(|sample| sample.started).min();
    let ended = samples.iter().map(|sample| sample.ended).max();
    let Some((started, ended)) = started.zip(ended) else {
        return out;
    };
    let seconds = ended
        .saturating_duration_since(started)
        .as_secs_f64()
        .max(1e-9);
    let sum = |part: fn(&Sample) -> u64| samples.iter().map(part).sum::<u64>() as f64 / seconds;
    let (msgs, bytes) = (sum(|sample| sample.msgs), sum(|sample| sample.bytes));
    let (msgs, bytes) = (number::grouped(msgs as i128), number::bytes(bytes as u64));
    out.push_str(&format!(
        "\n NATS {label} aggregated stats: {msgs} msgs/sec ~ {bytes}/sec\n"
    ));
    let rates: Vec<f64> = samples.iter().map(Sample::msgs_per_sec).collect();
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    let deviation =
        (rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / rates.len() as f64).sqrt();
    let shown = |value: f64| number::grouped(value as i128);
    let (min, max) = (
        rates.iter().copied().fold(f64::MAX, f64::min),
        rates.iter().copied().fold(0.0, f64::max),
    );
    out.push_str(&format!(
        " message rates min {} | avg {} | max {} | stddev {} msgs\n",
        shown(min),
        shown(mean),
        shown(max),
        shown(deviation)
    ));
    let all = merged(samples);
    if all.count() > 0 {
        out.push_str(&format!(
            " latencies per operation min {} | avg {} | max {} | stddev {} | P50 {} | P90 {} | P99 {} | P99.9: {}\n",
            micros(all.min()),
            micros(all.mean()),
            micros(all.max()),
            micros(all.deviation() as u64),
            micros(all.percentile(50.0)),
            micros(all.percentile(90.0)),
            micros(all.percentile(99.0)),
            micros(all.percentile(99.9))
        ));
    }
    out
}

/// `3,111,987 msgs/sec ~ 380 MiB/sec ~ min: 0.05us ~ …`
fn rate(sample: &Sample) -> String {
    let msgs = number::grouped(sample.msgs_per_sec() as i128);
    let mut text = format!(
        "{msgs} msgs/sec ~ {}/sec",
        number::bytes(sample.bytes_per_sec() as u64)
    );
    let latencies = &sample.latencies;
    if latencies.count() > 0 {
        let parts = [
            ("min", latencies.min()),
            ("avg", latencies.mean()),
            ("max", latencies.max()),
            ("P50", latencies.percentile(50.0)),
            ("P90", latencies.percentile(90.0)),
            ("P99", latencies.percentile(99.0)),
            ("P99.9", latencies.percentile(99.9)),
        ];
        for (name, nanos) in parts {
            text.push_str(&format!(" ~ {name}: {}", micros(nanos)));
        }
    }
    text
}

fn merged(samples: &[Sample]) -> Histogram {
    let mut all = Histogram::default();
    samples
        .iter()
        .for_each(|sample| all.merge(&sample.latencies));
    all
}

/// Nanoseconds as microseconds with two digits.
pub(super) fn micros(nanos: u64) -> String {
    let hundredths = nanos / 10;
    format!(
        "{}.{:02}us",
        number::grouped(hundredths / 100),
        hundredths % 100
    )
}

/// How many operations took how long.
fn latency_chart(latencies: &Histogram) -> String {
    let total = latencies.count().max(1) as f64;
    let row = |(end, count): &(u64, u64)| {
        let share = *count as f64 / total * 100.0;
        (
            match end {
                0..1_000 => format!("≤ {end}ns"),
                _ => format!("≤ {}", micros(*end)),
            },
            *count as f64,
            format!("{} ({share:.1}%)", number::grouped(*count)),
        )
    };
    let rows: Vec<_> = latencies.ranges(CHART_ROWS).iter().map(row).collect();
    format!(
        "Latencies per operation:\n\n{}",
        chart::bars(&rows, CHART_WIDTH)
    )
}

/// Writes a line per client, in the official tool's columns.
pub(super) fn write_csv(path: &Path, letter: char, samples: &[Sample]) -> Result<()> {
    let mut out = Vec::new();
    out.write_all(
        b"#RunID,ClientID,MsgCount,MsgBytes,MsgsPerSec,BytesPerSec,DurationSecs,MinLatencyMicroSecs,\
          AvgLatencyMicroSecs,MaxLatencyMicroSecs,P50LatencyMicroSecs,P90LatencyMicroSecs,P99LatencyMicroSecs,\
          P99.9LatencyMicroSecs,StdDevLatencyMicroSecs\n",
    )?;
    let run = template::id();
    for (at, sample) in samples.iter().enumerate() {
        let latencies = &sample.latencies;
        let micros = |nanos: f64| format!("{:.6}", nanos / 1000.0);
        let percentiles =
            [50.0, 90.0, 99.0, 99.9].map(|percent| micros(latencies.percentile(percent) as f64));
        writeln!(
            out,
            "{run},{letter}{at},{},{},{:.0},{:.6},{:.6},{},{},{},{},{}",
            sample.msgs,
            sample.bytes,
            sample.msgs_per_sec(),
            sample.bytes_per_sec(),
            sample.seconds(),
            micros(latencies.min() as f64),
            micros(latencies.mean() as f64),
            micros(latencies.max() as f64),
            percentiles.join(","),
            micros(latencies.deviation()),
        )?;
    }
    std::fs::write(path, out).context(path.display())?;
    say!("Saved metric data in csv file {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn sample(msgs: u64, millis: u64, latencies: &[u64]) -> Sample {
        let started = Instant::now();
        let mut histogram = Histogram::default();
        latencies.iter().for_each(|nanos| histogram.record(*nanos));
        Sample {
            msgs,
            bytes: msgs * 1024,
            started,
            ended: started + Duration::from_millis(millis),
            latencies: histogram,
        }
    }

    #[test]
    fn one_client_is_one_line() {
        let text = text("Core NATS publisher", &[sample(1000, 500, &[])]);
        assert_eq!(
            text,
            "\nNATS Core NATS publisher stats: 2,000 msgs/sec ~ 2.0 MiB/sec\n"
        );
        assert_eq!(micros(2_865_251), "2,865.25us");
        assert!(rate(&sample(10, 10, &[1000])).ends_with("P99.9: 1.00us"));
    }

    #[test]
    fn several_clients_are_summed_up() {
        let text = text(
            "X",
            &[sample(1000, 1000, &[1000]), sample(1000, 1000, &[3000])],
        );
        assert!(text.contains("\n  [1] 1,000 msgs/sec"), "{text}");
        assert!(text.contains(" | avg 1,000 | "), "{text}");
        assert!(
            text.contains("latencies per operation min 1.00us | avg 2.00us | max 3.00us"),
            "{text}"
        );
    }
}
