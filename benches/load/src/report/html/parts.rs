//! Pieces of the page.

use std::fmt::Write;

use serde_json::Value;

/// Text within an element or an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON within a script element: no `<` or `&`, which could end it or open a comment.
pub(super) fn escaped_json(value: &Value) -> serde_json::Result<String> {
    let text = serde_json::to_string(value)?;
    Ok(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

/// A card with a heading, a sentence and what is in it.
pub(super) fn card(heading: &str, about: &str, class: &str, content: &str) -> String {
    let about = if about.is_empty() { String::new() } else { format!("<p>{about}</p>\n") };
    format!("<section class=\"card {class}\">\n<h2>{heading}</h2>\n{about}{content}</section>\n")
}

/// One cell of a table. Whatever it holds is escaped, but the class, which is the page's own.
#[derive(Debug)]
pub(super) struct Cell {
    class: &'static str,
    html: String,
}

/// A number.
pub(super) fn n(text: impl AsRef<str>) -> Cell {
    Cell { class: "n", html: escape(text.as_ref()) }
}

/// Text that may break anywhere.
pub(super) fn word(text: impl AsRef<str>) -> Cell {
    Cell { class: "word", html: escape(text.as_ref()) }
}

/// Text that stays on one line.
pub(super) fn line(text: impl AsRef<str>) -> Cell {
    Cell { class: "no", html: escape(text.as_ref()) }
}

/// Whether something holds.
pub(super) fn sign(holds: bool) -> Cell {
    let html = if holds {
        "<span class=\"good\">holds</span>"
    } else {
        "<span class=\"bad\">broken</span>"
    };
    Cell { class: "no", html: html.to_owned() }
}

/// A bar of so much of the whole.
pub(super) fn share(part: f64) -> Cell {
    let percent = (part * 100.0).clamp(0.3, 100.0);
    Cell { class: "share", html: format!("<i style=\"width:{percent:.1}%\"></i>") }
}

/// A table; the heads of columns of numbers end with `#`.
pub(super) fn table(heads: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut text = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    for head in heads {
        // Writing to a string can't fail, here and below.
        let _written = match head.strip_suffix('#') {
            Some(head) => write!(text, "<th class=\"n\">{head}</th>"),
            None => write!(text, "<th>{head}</th>"),
        };
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for Cell { class, html } in row {
            let _written = write!(text, "<td class=\"{class}\">{html}</td>");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    text
}
