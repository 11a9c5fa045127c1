//! Metrics: what others sample into [`Samples`], and the shadow's and the watermarks' own, as one collector.
//!
//! Invariants: a family's name, help and kind are those of its first sample; samples of one family stand together, and no
//! set of labels stands twice in it, as OpenMetrics asks for.

use crate::sources::StatusSource;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use ringbook_replay::shadow::ShadowHandle;
use std::fmt;
use std::sync::Arc;

/// Something that has numbers to tell; asked at each scrape, so nothing is counted twice.
pub trait MetricsSource: Send + Sync {
    /// Adds its samples.
    fn sample(&self, out: &mut Samples);
}

#[derive(Clone, Debug)]
enum Value {
    Gauge(f64),
    Counter(u64),
    Histogram { buckets: Vec<(f64, u64)>, sum: f64, count: u64 },
}

impl Value {
    fn kind(&self) -> MetricType {
        match self {
            Self::Gauge(_) => MetricType::Gauge,
            Self::Counter(_) => MetricType::Counter,
            Self::Histogram { .. } => MetricType::Histogram,
        }
    }
}

type Labels = Vec<(String, String)>;

#[derive(Clone, Debug)]
struct Family {
    name: String,
    help: String,
    values: Vec<(Labels, Value)>,
}

/// Samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    families: Vec<Family>,
}

impl Samples {
    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, help, labels, Value::Gauge(value));
    }

    /// A number that only rises; the name comes without `_total`.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.add(name, help, labels, Value::Counter(value));
    }

    /// A histogram: (upper bound, count in this bucket alone), the sum of all values, the count of all values. What lies
    /// above the last bound is worked out from the count.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        sum: f64,
        count: u64,
    ) {
        let mut buckets = buckets.to_vec();
        let known: u64 = buckets.iter().map(|(_, count)| count).sum();
        buckets.push((f64::INFINITY, count.saturating_sub(known)));
        self.add(name, help, labels, Value::Histogram { buckets, sum, count });
    }

    fn add(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: Value) {
        let labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        match self.families.iter_mut().find(|family| family.name == name) {
            Some(family) => match family.values.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, known)) => *known = value,
                None => family.values.push((labels, value)),
            },
            None => {
                let (name, help) = (name.to_owned(), help.to_owned());
                self.families.push(Family { name, help, values: vec![(labels, value)] });
            }
        }
    }
}

impl EncodeMetric for Value {
    fn encode(&self, mut encoder: prometheus_client::encoding::MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Gauge(value) => encoder.encode_gauge(value),
            Self::Counter(value) => encoder.encode_counter::<NoLabelSet, u64, u64>(value, None),
            Self::Histogram { buckets, sum, count } => {
                encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
            }
        }
    }

    fn metric_type(&self) -> MetricType {
        self.kind()
    }
}

/// All sources behind one collector.
pub(crate) struct AllSources {
    pub sources: Vec<Arc<dyn MetricsSource>>,
}

impl fmt::Debug for AllSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sources of metrics", self.sources.len())
    }
}

impl Collector for AllSources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut samples = Samples::default();
        for source in &self.sources {
            source.sample(&mut samples);
        }
        for family in &samples.families {
            let Some((_, first)) = family.values.first() else { continue };
            let mut described = encoder.encode_descriptor(&family.name, &family.help, None, first.kind())?;
            match family.values.as_slice() {
                [(labels, value)] if labels.is_empty() => value.encode(described)?,
                values => {
                    for (labels, value) in values {
                        value.encode(described.encode_family(labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The shadow's own numbers.
pub(crate) struct ShadowSource(pub ShadowHandle);

impl MetricsSource for ShadowSource {
    fn sample(&self, out: &mut Samples) {
        let m = self.0.metrics();
        let failed = u8::from(m.failure().is_some());
        let seconds = |ns: u64| ns as f64 / 1e9;
        out.gauge("ringbook_shadow_sequence", "Last sequence executed again and compared", &[], m.sequence() as f64);
        out.gauge("ringbook_shadow_lag_frames", "Committed frames not executed again yet", &[], m.lag() as f64);
        out.gauge("ringbook_shadow_failed", "1 if a replay differed: see the log at once", &[], f64::from(failed));
        out.counter("ringbook_shadow_frames", "Frames executed again and compared", &[], m.frames());
        out.counter("ringbook_shadow_questions", "Questions answered", &[], m.questions());
        out.gauge("ringbook_shadow_waiting", "Questions that wait for a sequence", &[], m.waiting() as f64);
        out.counter("ringbook_snapshots", "Snapshots written and proven", &[], m.snapshots());
        out.counter("ringbook_snapshot_failures", "Snapshots that failed", &[], m.snapshot_failures());
        out.gauge("ringbook_snapshot_sequence", "Sequence of the newest snapshot", &[], m.snapshot_sequence() as f64);
        out.gauge("ringbook_snapshot_bytes", "Size of the newest snapshot", &[], m.snapshot_bytes() as f64);
        out.gauge("ringbook_snapshot_seconds", "Time to write the newest snapshot", &[], seconds(m.snapshot_ns()));
        let pause = seconds(m.snapshot_pause_ns());
        out.gauge("ringbook_snapshot_pause_seconds", "Time that it kept the shadow from following", &[], pause);
    }
}

/// The watermarks and followers.
pub(crate) struct StatusMetrics(pub Arc<dyn StatusSource>);

impl MetricsSource for StatusMetrics {
    fn sample(&self, out: &mut Samples) {
        let s = self.0.status();
        let marks =
            [("written", s.written), ("durable", s.durable), ("replicated", s.replicated), ("committed", s.committed)];
        for (name, sequence) in marks {
            out.gauge("ringbook_watermark", "Journal watermarks by sequence", &[("name", name)], sequence as f64);
        }
        out.gauge("ringbook_term", "Current term", &[], f64::from(s.term));
        out.gauge("ringbook_uptime_seconds", "Seconds since the start", &[], s.uptime_seconds);
        for follower in &s.followers {
            let pid = follower.pid.to_string();
            let labels = [("name", follower.name.as_str()), ("pid", pid.as_str())];
            out.gauge("ringbook_follower_lag_frames", "Committed frames not passed yet", &labels, follower.lag as f64);
        }
    }
}
