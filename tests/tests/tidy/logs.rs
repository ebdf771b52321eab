//! Log lines: a constant message and fields, so that they can be counted, searched and grouped.

use std::ops::Range;

use crate::source::{Fault, Source, closed, words};

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// Log calls whose message isn't constant, or isn't written as the house writes them.
pub(crate) fn messages(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !source.is_rust() {
        return faults;
    }
    for level in LEVELS {
        for at in words(&source.code, level) {
            let open = at + level.len() + 1;
            let is_call = source.code[at + level.len()..].starts_with("!(");
            if let Some(what) = is_call.then(|| complaint(source, open)).flatten() {
                faults.push(source.fault(at, format!("`{level}!`: {what}")));
            }
        }
    }
    faults
}

/// What is wrong with the call whose arguments open at `open`.
fn complaint(source: &Source, open: usize) -> Option<&'static str> {
    let inside = open + 1..closed(&source.code, open).saturating_sub(1);
    let arguments = arguments(&source.code, inside);
    let is_literal = |part: &Range<usize>| {
        let code = source.code[part.clone()].trim();
        code.len() >= 2
            && code.starts_with('"')
            && code.rfind('"') == Some(code.len() - 1)
            && code.matches('"').count() == 2
    };
    let Some(place) = arguments.iter().position(is_literal) else {
        return Some("needs a constant message, after the fields");
    };
    let message = source.text[arguments[place].clone()].trim().trim_matches('"');
    if place + 1 < arguments.len() {
        Some("the message comes last; values are fields before it")
    } else if message.contains('{') {
        Some("the message is constant; values are fields before it")
    } else if !message.starts_with(|first: char| first.is_lowercase()) {
        Some("the message starts with a lower-case letter")
    } else if message.ends_with('.') {
        Some("the message has no full stop")
    } else {
        None
    }
}

/// The arguments of a call, split at its own commas; an empty one after the last comma is none.
fn arguments(code: &str, inside: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = inside.start;
    let mut at = inside.start;
    while at < inside.end {
        match code.as_bytes()[at] {
            b'(' | b'[' | b'{' => at = closed(code, at),
            b',' => {
                parts.push(start..at);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    parts.push(start..inside.end);
    parts.retain(|part| !code[part.clone()].trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(call: &str) -> usize {
        messages(&Source::new("a.rs", &format!("fn f() {{ {call}; }}"))).len()
    }

    #[test]
    fn constant_messages_pass() {
        for call in [
            r#"info!("store opened")"#,
            r#"tracing::warn!(attempts, %entity_id, "append conflicted")"#,
            r#"debug!(target: "store", rows = count(a, b), "read, then dropped",)"#,
            r#"error!(error = &source as &dyn Error, "append failed")"#,
            r#"info!("quoted field" = 1, "opened")"#,
            r#"let error = "Not a log."; error != other"#,
            r#"compile_error!("No.")"#,
        ] {
            assert_eq!(complaints(call), 0, "{call}");
        }
    }

    #[test]
    fn other_messages_are_found() {
        for call in [
            r#"info!("Store opened")"#,
            r#"info!("store opened.")"#,
            r#"trace!("opened {path}")"#,
            r#"warn!("opened {}", path)"#,
            r#"warn!("opened", path)"#,
            r#"error!(%error)"#,
            r#"error!("{error}")"#,
            r#"tracing::debug!(MESSAGE)"#,
            r#"info!("")"#,
        ] {
            assert_eq!(complaints(call), 1, "{call}");
        }
    }
}
