//! A page with percentile curves: one file, inline SVG, nothing loaded from elsewhere.
//!
//! ```text
//!  µs (log) │            ______/   one curve per stage
//!           │  _________/
//!           └──────────────────── percentile, by the number of nines: 0, 90, 99, 99.9, …
//! ```

use super::Stage;
use crate::load::latency::{QUANTILES, microseconds};
use std::fmt::Write;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 16.0;
/// Nines at the right edge: 99.999 %.
const NINES: f64 = 5.0;
/// Steps of a curve.
const STEPS: u32 = 250;
/// Distinguishable also without colour vision (Okabe and Ito).
const COLOURS: [&str; 8] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"];

/// The whole page.
pub fn render(stages: &[Stage]) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Ringbook latency</title>\n<style>\
         body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:960px;color:#222;background:#fff}\
         table{border-collapse:collapse}td,th{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #ddd}\
         td:first-child,th:first-child{text-align:left}svg text{font-size:12px;fill:#444}</style></head>\n<body>\
         <h1>Latency by percentile</h1>\n",
    );
    page += &chart(stages);
    page += &table(stages);
    page += "</body></html>\n";
    page
}

fn chart(stages: &[Stage]) -> String {
    let values = || stages.iter().filter(|stage| !stage.values.is_empty());
    let low = values().map(|stage| stage.values.min()).min().unwrap_or(1).max(1) as f64;
    let high = values().map(|stage| stage.values.max()).max().unwrap_or(10).max(10) as f64;
    let (bottom, top) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
    let x = |nines: f64| LEFT + nines / NINES * (WIDTH - LEFT - 10.0);
    let y = |ns: f64| TOP + (top - ns.max(1.0).log10()) / (top - bottom) * (HEIGHT - BOTTOM - TOP);

    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Latency by percentile\">\n");
    // Writing into a String cannot fail.
    for (nines, label) in ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"].iter().enumerate() {
        let at = x(nines as f64);
        let foot = HEIGHT - BOTTOM;
        let anchor = if nines == 5 { "end" } else { "middle" };
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{foot}\" stroke=\"#e4e4e4\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>",
            foot + 18.0
        );
    }
    for power in bottom as i32..=top as i32 {
        let at = y(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{WIDTH}\" y2=\"{at:.1}\" stroke=\"#e4e4e4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            axis_label(power)
        );
    }
    for (stage, colour) in values().zip(COLOURS.iter().cycle()) {
        svg += &format!("<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"");
        for step in 0..=STEPS {
            let nines = NINES * f64::from(step) / f64::from(STEPS);
            let value = stage.values.value_at_quantile(1.0 - 10_f64.powf(-nines));
            let _ = write!(svg, "{:.1},{:.1} ", x(nines), y(value as f64));
        }
        svg += "\"/>\n";
    }
    svg + "</svg>\n"
}

/// 10^power nanoseconds, in a unit that reads well.
fn axis_label(power: i32) -> String {
    let (unit, exponent) = match power {
        ..3 => ("ns", power),
        3..6 => ("µs", power - 3),
        6..9 => ("ms", power - 6),
        _ => ("s", power - 9),
    };
    format!("{} {unit}", 10_f64.powi(exponent))
}

fn table(stages: &[Stage]) -> String {
    let mut html = String::from("<table><tr><th>stage</th><th>count</th>");
    for name in ["p50", "p90", "p99", "p99.9", "p99.99", "max"] {
        let _ = write!(html, "<th>{name} µs</th>");
    }
    html += "</tr>\n";
    for (stage, colour) in stages.iter().zip(COLOURS.iter().cycle()) {
        let _ = write!(
            html,
            "<tr><td><span style=\"color:{colour}\">■</span> {}</td><td>{}</td>",
            escape(&stage.name),
            stage.values.len()
        );
        for (_, quantile) in QUANTILES {
            let _ = write!(html, "<td>{:.1}</td>", microseconds(stage.values.value_at_quantile(quantile)));
        }
        let _ = writeln!(html, "<td>{:.1}</td></tr>", microseconds(stage.values.max()));
    }
    html + "</table>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_labels_and_names_are_readable() {
        for (power, label) in [(2, "100 ns"), (3, "1 µs"), (5, "100 µs"), (7, "10 ms"), (9, "1 s"), (10, "10 s")] {
            assert_eq!(axis_label(power), label);
        }
        assert_eq!(escape("<a&b>"), "&lt;a&amp;b&gt;");
    }
}
