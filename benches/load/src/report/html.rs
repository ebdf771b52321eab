//! A report as one page that needs nothing else: style, script and data are in it, and it loads
//! nothing. The plots are drawn by its script from the data; every figure is in a table as well.
//!
//! Whatever comes from a scenario or a server is text to it: escaped in the tables, and in the data
//! such that it can't end the element that it stands in.

mod parts;
mod tables;

use std::fmt::Write;

use serde_json::{Value, json};

use self::parts::{card, escape, escaped_json};
pub(super) use self::tables::utc;
use super::plain::{at, concluded, number};
use super::{Conclusion, Report};
use crate::figures::MEMORY;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// The page.
///
/// # Errors
/// None that a report can cause: all that it holds can be written as JSON.
pub fn html(report: &Report) -> serde_json::Result<String> {
    let data = escaped_json(&data(report)?)?;
    let mut page = String::with_capacity(data.len() + 64 * 1_024);
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    let title = escape(&report.scenario);
    // Writing to a string can't fail, here and below.
    let _written = writeln!(page, "<title>{title}: Coppice load report</title>");
    let _written = writeln!(page, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>");
    page.push_str(&header(report));
    page.push_str(&tiles(report));
    page.push_str("<div class=\"grid\">\n");
    page.push_str(&plots(report));
    page.push_str(&tables::all(report));
    page.push_str("</div>\n");
    page.push_str(&footer(report));
    let _written =
        writeln!(page, "</main>\n<script type=\"application/json\" id=\"data\">{data}</script>");
    let _written = writeln!(page, "<script>\n{SCRIPT}</script>\n</body>\n</html>");
    Ok(page)
}

/// What the plots are drawn from: of the report what they use, for a long run has many seconds.
fn data(report: &Report) -> serde_json::Result<Value> {
    let mut seconds = Vec::with_capacity(report.seconds.len());
    for second in &report.seconds {
        let mut second = serde_json::to_value(second)?;
        if let Some(server) = second.get_mut("server").and_then(Value::as_object_mut) {
            server.retain(|name, _| name == MEMORY);
        }
        seconds.push(second);
    }
    Ok(json!({
        "seconds": seconds,
        "phases": report.phases,
        "faults": report.faults,
        "operations": report.operations,
        "memory": MEMORY,
    }))
}

const fn badge(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Pass => "good",
        Conclusion::GeneratorLimited => "warn",
        Conclusion::Threshold | Conclusion::Correctness => "bad",
    }
}

fn header(report: &Report) -> String {
    let mut text = String::from("<header>\n");
    let (class, words) = (badge(report.conclusion), concluded(report.conclusion));
    let _written = writeln!(text, "<h1>{}</h1>", escape(&report.scenario));
    let _written = writeln!(text, "<span class=\"badge {class}\">{words}</span>");
    if !report.about.is_empty() {
        let _written = writeln!(text, "<p>{}</p>", escape(&report.about));
    }
    text.push_str("</header>\n");
    if !report.reasons.is_empty() {
        text.push_str("<ul class=\"reasons\">\n");
        for reason in &report.reasons {
            let _written = writeln!(text, "<li>{}</li>", escape(reason));
        }
        text.push_str("</ul>\n");
    }
    text
}

fn tiles(report: &Report) -> String {
    let mut text = String::from("<div class=\"tiles\">\n");
    let mut tile = |value: &str, unit: &str, what: &str, class: &str| {
        let _written = writeln!(
            text,
            "<div class=\"tile\"><b class=\"{class}\">{value}<small>{unit}</small></b>\
             <span>{what}</span></div>"
        );
    };
    let figure =
        |name: &str| report.figures.get(name).map_or_else(|| "-".to_owned(), |one| number(*one));
    tile(&figure("per_s"), " /s", "acknowledged", "");
    tile(&figure("p50_ms"), " ms", "p50 from the intended start", "");
    tile(&figure("p99_ms"), " ms", "p99 from the intended start", "");
    tile(&figure("service_p99_ms"), " ms", "p99 from sending (raw)", "");
    let errors = report.figures.get("errors").copied().unwrap_or(0.0) * 100.0;
    tile(&number(errors), " %", "ended otherwise than acknowledged", "");
    match &report.verdict {
        None => tile("-", "", "nobody looked at the answers", "warn"),
        Some(verdict) if verdict.is_sound() => {
            tile("0", "", "broken promises", "good");
        }
        Some(verdict) => {
            tile(&number(verdict.violations() as f64), "", "broken promises", "bad");
        }
    }
    let lag = at(&report.generator.lag.curve, 0.99);
    let class = if report.generator.is_limited { "bad" } else { "" };
    tile(&number(lag), " ms", "p99 of the generator behind its plan", class);
    text.push_str("</div>\n");
    text
}

fn plots(report: &Report) -> String {
    let plot = |name: &str| format!("<div class=\"plot\" data-plot=\"{name}\"></div>\n");
    let mut choose = String::new();
    if report.operations.len() > 2 {
        choose.push_str("<div class=\"choose\" role=\"group\" aria-label=\"Operation\">\n");
        for (at, operation) in report.operations.iter().enumerate() {
            let (pressed, name) = (at == 0, escape(&operation.name));
            let _written = writeln!(
                choose,
                "<button type=\"button\" data-operation=\"{at}\" aria-pressed=\"{pressed}\">\
                 {name}</button>"
            );
        }
        choose.push_str("</div>\n");
    }
    let mut text = card(
        "Latency by percentile",
        "Of the acknowledged. Where the two part, requests waited to be sent.",
        "",
        &format!("{choose}{}", plot("percentiles")),
    );
    text.push_str(&card(
        "Latency over time",
        "Corrected, second by second; the raw p99 beside it. Faults are shaded.",
        "",
        &plot("latency"),
    ));
    text.push_str(&card(
        "Throughput over time",
        "What the plan wanted, what was acknowledged, what ended otherwise.",
        "wide",
        &plot("throughput"),
    ));
    text.push_str(&card(
        "Generator",
        "In flight, and how far it was behind its plan.",
        "",
        &plot("generator"),
    ));
    text.push_str(&card("Server", "Its resident memory, in MB.", "", &plot("memory")));
    text
}

fn footer(report: &Report) -> String {
    format!(
        "<footer>Run <code>{}</code>, seed <code>{}</code>. Latencies are of acknowledged operations, \
         over the phases that count, from the moment at which the plan wanted them to begin; none is \
         filled in.</footer>\n",
        escape(&report.run),
        report.seed
    )
}
