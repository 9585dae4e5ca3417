//! Prometheus' two text formats, written from values that are at hand.
//!
//! A registry such as prometheus-client's keeps metrics between scrapes and writes `OpenMetrics` only; the agent has one value
//! that replaces the whole, and text 0.0.4 differs in counters' and infos' names. Pure; called by [`super::metrics`] and
//! [`super::route`].

use std::fmt::Write as _;

/// What a scraper reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The text format 0.0.4 (`prometheus.io/docs/instrumenting/exposition_formats`, read 2026-11-21).
    Text,
    /// `OpenMetrics` 1.0.0 (`prometheus.io/docs/specs/om/open_metrics_spec`, read 2026-11-21).
    OpenMetrics,
}

impl Format {
    /// The one that an `Accept` header weighs most; text unless it prefers the other. Prometheus asks for `OpenMetrics` first.
    pub(super) fn accepted(accept: &str) -> Self {
        let mut weights = [0.0_f32; 2];
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let place = match parts.next().map(str::to_ascii_lowercase).as_deref() {
                Some("text/plain" | "text/*" | "*/*") => 0,
                Some("application/openmetrics-text") => 1,
                _ => continue,
            };
            let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
            let of = |name| {
                parameters
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| *value)
            };
            if place == 1 && of("version").is_some_and(|version| version != "1.0.0") {
                continue;
            }
            let weight: f32 = of("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            weights[place] = weight.max(weights[place]);
        }
        if weights[1] > weights[0] {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The `Content-Type` of what is written.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a metric's values do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They go up and down.
    Gauge,
    /// They go up, until a reset; the name ends in `_total`.
    Counter,
    /// They are 1 and the labels speak; the name ends in `_info`.
    Info,
}

/// Name, kind and help of a metric. The name ends in its base unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    /// As it is scraped.
    pub(super) name: &'static str,
    /// What its values do.
    pub(super) kind: Kind,
    /// One sentence for people.
    pub(super) help: &'static str,
}

/// A label and its value; an empty value is no label.
pub(super) type Label<'a> = (&'a str, &'a str);

/// A text that grows by one metric after the other.
#[derive(Debug)]
pub(super) struct Exposition<'a> {
    format: Format,
    everywhere: Label<'a>,
    text: String,
    open: Option<&'static str>,
}

impl<'a> Exposition<'a> {
    /// An empty one; `everywhere` is a label that every value has, after its own.
    pub(super) const fn new(format: Format, everywhere: Label<'a>) -> Self {
        Self {
            format,
            everywhere,
            text: String::new(),
            open: None,
        }
    }

    /// One value. All values of a metric come one after the other; a metric without values leaves no trace.
    pub(super) fn sample(&mut self, metric: &Metric, labels: &[Label<'_>], value: f64) {
        if self.open != Some(metric.name) {
            self.open = Some(metric.name);
            self.header(metric);
        }
        self.text.push_str(metric.name);
        let mut separator = '{';
        let labels = labels.iter().chain([&self.everywhere]);
        for (name, value) in labels.filter(|(_, value)| !value.is_empty()) {
            // Writing to a string cannot fail.
            let _ = write!(self.text, "{separator}{name}=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        let _ = if value.is_infinite() {
            writeln!(self.text, " {}Inf", if value > 0.0 { '+' } else { '-' })
        } else {
            writeln!(self.text, " {value}")
        };
    }

    fn header(&mut self, metric: &Metric) {
        let (name, kind) = match (self.format, metric.kind) {
            (_, Kind::Gauge) | (Format::Text, Kind::Info) => (metric.name, "gauge"),
            (Format::Text, Kind::Counter) => (metric.name, "counter"),
            (Format::OpenMetrics, Kind::Counter) => (metric.name.trim_end_matches("_total"), "counter"),
            (Format::OpenMetrics, Kind::Info) => (metric.name.trim_end_matches("_info"), "info"),
        };
        let _ = write!(self.text, "# HELP {name} ");
        escape(&mut self.text, metric.help, self.format == Format::OpenMetrics);
        let _ = writeln!(self.text, "\n# TYPE {name} {kind}");
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

fn escape(text: &mut String, raw: &str, quotes: bool) {
    for character in raw.chars() {
        match character {
            '\\' => text.push_str(r"\\"),
            '\n' => text.push_str(r"\n"),
            '"' if quotes => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GAUGE: Metric = Metric {
        name: "a_celsius",
        kind: Kind::Gauge,
        help: "How \"hot\".",
    };
    const COUNTER: Metric = Metric {
        name: "b_joules_total",
        kind: Kind::Counter,
        help: "How much.",
    };
    const INFO: Metric = Metric {
        name: "c_info",
        kind: Kind::Info,
        help: "What.",
    };

    fn written(format: Format) -> String {
        let mut text = Exposition::new(format, ("node", ""));
        text.sample(&GAUGE, &[("gpu", "0"), ("pod", "")], 41.0);
        text.sample(&GAUGE, &[("gpu", "1")], -0.5);
        text.sample(&COUNTER, &[], 3.0);
        text.sample(&INFO, &[("version", "1")], 1.0);
        text.finish()
    }

    #[test]
    fn both_formats_name_what_they_mean() {
        insta::assert_snapshot!(written(Format::Text), @r#"
        # HELP a_celsius How "hot".
        # TYPE a_celsius gauge
        a_celsius{gpu="0"} 41
        a_celsius{gpu="1"} -0.5
        # HELP b_joules_total How much.
        # TYPE b_joules_total counter
        b_joules_total 3
        # HELP c_info What.
        # TYPE c_info gauge
        c_info{version="1"} 1
        "#);
        insta::assert_snapshot!(written(Format::OpenMetrics), @r#"
        # HELP a_celsius How \"hot\".
        # TYPE a_celsius gauge
        a_celsius{gpu="0"} 41
        a_celsius{gpu="1"} -0.5
        # HELP b_joules How much.
        # TYPE b_joules counter
        b_joules_total 3
        # HELP c What.
        # TYPE c info
        c_info{version="1"} 1
        # EOF
        "#);
    }

    #[test]
    fn the_format_is_the_one_that_the_scraper_weighs_most() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("application/openmetrics-text"), Format::OpenMetrics);
        for text in [
            "",
            "*/*",
            "text/plain",
            "application/json",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0.1, text/plain;q=0.9",
            "application/openmetrics-text;q=high",
        ] {
            assert_eq!(Format::accepted(text), Format::Text, "{text}");
        }
    }

    /// The label's value as a scraper reads it.
    fn unescaped(line: &str) -> String {
        let quoted = line.split_once("l=\"").unwrap().1;
        let mut value = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => value.push(match characters.next().unwrap() {
                    'n' => '\n',
                    other => other,
                }),
                other => value.push(other),
            }
        }
        value
    }

    proptest! {
        #[test]
        fn any_label_value_is_one_line_and_comes_back(value in any::<String>().prop_filter("no label", |v| !v.is_empty())) {
            let mut text = Exposition::new(Format::Text, ("m", "x"));
            text.sample(&GAUGE, &[("l", &value)], 1.0);
            let text = text.finish();
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 4);
            prop_assert_eq!(unescaped(lines[2]), value);
            let rest = format!(",m={:?}{} 1", "x", '}');
            prop_assert!(lines[2].ends_with(&rest));
        }

        #[test]
        fn any_accept_header_is_understood(accept in any::<String>()) {
            let _ = Format::accepted(&accept);
        }
    }
}
